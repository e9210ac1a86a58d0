"""Heads that answer beside the main one, as the graph shows them."""

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


def _within(name: str, layer: str) -> bool:
    return name == layer or name.startswith(f"{layer}.")


def _reached(edges: Iterable[tuple[int, int]], start: Collection[int], without: Collection[int]) -> set[int]:
    """The boxes that can be reached from some, which are among them. Edges lead to later boxes only."""
    found = set(start) - set(without)
    for source, reader in sorted(edges):
        if source in found and reader not in without:
            found.add(reader)
    return found
