"""Which pairs of nodes are tried: all of them in a small cluster, a covering sample in a large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ALL_PAIRS_UP_TO = 10  # nodes


def pairs_to_try(nodes: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """For each node the other nodes that it tries.

    All others up to ALL_PAIRS_UP_TO nodes. Beyond, those 1, 2, 4, 8, ... places further round the circle of nodes: each node is tried from
    and to about log2(n) others, so one that is cut off shows in several pairs, and any cut of the cluster in two is crossed.
    """
    count = len(nodes)
    if count <= ALL_PAIRS_UP_TO:
        return {node: frozenset(nodes) - {node} for node in nodes}
    steps = [1 << power for power in range((count - 1).bit_length())]
    return {node: frozenset(nodes[(place + step) % count] for step in steps if step < count) - {node} for place, node in enumerate(nodes)}


def said(pairs: Mapping[str, frozenset[str]]) -> str:
    """What a sample left out, in words; "" when nothing was."""
    count, tried = len(pairs), sum(len(targets) for targets in pairs.values())
    whole = count * (count - 1)
    return (
        ""
        if tried == whole
        else f"{count} nodes: a covering sample of {tried} of {whole} pairs of nodes was tried, each node with {tried // count} others"
    )
