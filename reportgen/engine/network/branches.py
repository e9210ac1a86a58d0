"""Heads that answer beside the main one, and those of several scales, as the graph shows them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reportgen.engine.network.facts import Graph


def is_head_beside(graph: Graph, layer: str, weighted: Collection[str]) -> bool:
    """Whether a layer is the end of a branch: what it gives is the answer of each place, since none of the
    `weighted` layers follows it, and the logits have another way that it does not lie on."""
    own = _boxes_of(graph, layer)
    if not own or not ends_the_network(graph, layer, weighted):
        return False
    return len(graph.operations) - 1 in _reached(graph.edges, {0}, without=own)


def ends_the_network(graph: Graph, layer: str, weighted: Collection[str]) -> bool:
    """Whether none of the `weighted` layers follows a layer: what it gives are answers."""
    own = _boxes_of(graph, layer)
    after = _reached(graph.edges, own, without=()) - own
    return not any(graph.operations[n].layer in weighted for n in after)


def _boxes_of(graph: Graph, layer: str) -> set[int]:
    return {n for n, box in enumerate(graph.operations) if _within(box.layer, layer)}


def leads_to_every_head(graph: Graph, layer: str, weighted: Collection[str]) -> bool:
    """Whether all that a network detects is made of what a layer gives: one scale of a pyramid knows only
    the objects of its size.

    Heads are the `weighted` layers that no other one follows, and those that run on maps of several sizes; a
    layer of the latter does not count, since only its last call can be looked at.
    """
    own = _boxes_of(graph, layer)
    shared = _of_several_sizes(graph, weighted)
    if not own or any(graph.operations[n].layer in shared for n in own):
        return False
    answering = _reached(_turned(graph), {0}, without=())  # counted from the output
    count = len(graph.operations) - 1
    heads = {n for n in _heads(graph, weighted, shared) if count - n in answering}
    return heads <= _reached(graph.edges, own, without=())


def _of_several_sizes(graph: Graph, weighted: Collection[str]) -> set[str]:
    """The weighted layers that give maps (C, h, w) of more than one size."""
    sizes: dict[str, set[tuple[int, ...]]] = {}
    for box in graph.operations:
        if box.layer in weighted and box.shape is not None and len(box.shape) == 3:
            sizes.setdefault(box.layer, set()).add(box.shape[1:])
    return {layer for layer, found in sizes.items() if len(found) > 1}


def _heads(graph: Graph, weighted: Collection[str], shared: Collection[str]) -> set[int]:
    """The boxes of weighted layers that no other one follows, or that are `shared`."""
    followed: set[int] = set()  # weighted layers are met again behind these
    for source, reader in sorted(graph.edges, key=lambda edge: -edge[1]):
        if reader in followed or graph.operations[reader].layer in weighted:
            followed.add(source)
    boxes = {n for n, box in enumerate(graph.operations) if box.layer in weighted}
    return {n for n in boxes if n not in followed or graph.operations[n].layer in shared}


def _turned(graph: Graph) -> list[tuple[int, int]]:
    """The edges from readers to makers, boxes counted from the output."""
    last = len(graph.operations) - 1
    return [(last - reader, last - source) for source, reader in graph.edges]


def _within(name: str, layer: str) -> bool:
    return name == layer or name.startswith(f"{layer}.")


def _reached(edges: Iterable[tuple[int, int]], start: Collection[int], without: Collection[int]) -> set[int]:
    """The boxes that can be reached from some, which are among them. Edges lead to later boxes only."""
    found = set(start) - set(without)
    for source, reader in sorted(edges):
        if source in found and reader not in without:
            found.add(reader)
    return found
