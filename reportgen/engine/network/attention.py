"""What is known of a network's attention before an image is seen: where it is, and what it runs over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from reportgen.engine.network.layout import Layout


@dataclass(frozen=True)
class AttentionFacts:
    """One attention of queries over keys, as one forward of an image met it.

    `number` is its place among all of them in call order, from 1; `call` the place among all calls that a
    `Catcher` counts, from 0. `layer` is the innermost module that it happens in. `queries` and `keys` say
    which of them are patches; "none" where none of them is. Where it is `local`, the tokens are those of
    a window each, and not of the image. `read` are the queries whose answers the last attention hands on
    to the logits: the class token; all patches, where these are averaged. `block` is the module that it is
    the only attention of and that gives the tokens on, "" where there is none.
    """

    number: int
    call: int
    layer: str
    shape: tuple[int, int, int]  # heads, queries, keys
    queries: Layout
    keys: Layout
    local: bool = False
    read: tuple[int, ...] = ()
    block: str = ""

    @property
    def spatial(self) -> bool:
        """Whether it can be drawn: one row of keys, some of which are the patches of the whole image."""
        return not self.local and self.keys.kind == "tokens"

    @property
    def pools(self) -> bool:
        """Whether its queries are other tokens than its keys, as of one that pools."""
        return self.queries != self.keys or self.shape[1] != self.shape[2]

    @property
    def others(self) -> tuple[int, ...]:
        """The keys that are no patches: class token, registers."""
        return unplaced(self.keys, self.shape[2])

    def on_grid(self, values: Tensor) -> Tensor:
        """What each key has (…, keys), as a map of the patches (…, h, w)."""
        patches = list(placed(self.keys, self.shape[2]))
        maps: Tensor = values[..., patches].unflatten(-1, self.keys.grid)
        return maps

    @property
    def reader(self) -> str:
        """Whose attention a map of it shows, in words."""
        beside = set(unplaced(self.queries, self.shape[1]))
        if not beside.issuperset(self.read):
            return f"the mean over {len(self.read)} patches, each as a query"
        if self.queries.kind == "none":
            return "the query that pools" if len(self.read) == 1 else f"{len(self.read)} queries that pool"
        several = f"the mean over {len(self.read)} tokens that are no patches, each as a query"
        return "the class token as the query" if len(self.read) == 1 else several


def unplaced(layout: Layout, count: int) -> tuple[int, ...]:
    """Which of so many tokens are no patches."""
    if layout.kind != "tokens":
        return tuple(range(count))
    placed = layout.order or range(layout.prefix, count)
    return tuple(sorted(set(range(count)) - set(placed)))


def placed(layout: Layout, count: int) -> tuple[int, ...]:
    """Which of so many tokens are patches, row by row."""
    if layout.kind != "tokens":
        return ()
    return layout.order or tuple(range(layout.prefix, count))


def chain(attentions: Sequence[AttentionFacts]) -> tuple[AttentionFacts, ...]:
    """Those that pass one row of tokens on, first to last, if all of them do: each from all tokens to
    all tokens, and at most one last that pools them, or the patches of them. Empty where they do not."""
    if not attentions or not all(one.spatial for one in attentions):
        return ()
    first, last = attentions[0], attentions[-1]
    square = [one for one in attentions if not one.pools]
    same = all(one.keys == first.keys and one.shape[1:] == first.shape[1:] for one in square)
    at_the_end = not any(one.pools for one in attentions[:-1])
    takes = last.keys == first.keys or (last.keys.grid == first.keys.grid and not last.others)
    return tuple(attentions) if same and at_the_end and takes else ()


def taken(last: AttentionFacts, first: AttentionFacts) -> list[int]:
    """Which of a chain's tokens its last attention takes from: one that pools may leave out others than
    patches."""
    every = range(first.shape[2])
    return list(every if last.shape[2] == first.shape[2] else placed(first.keys, first.shape[2]))
