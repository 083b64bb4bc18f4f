"""The pairs of nodes to probe: all pairs in a small cluster, a covering sample in a large cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ALL_PAIRS_UP_TO = 10  # nodes


def pairs_to_try(nodes: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """For each node, the other nodes to probe.

    All other nodes in a cluster of up to ALL_PAIRS_UP_TO nodes. In a larger cluster: the nodes that are 1, 2, 4, 8, ... places further in a ring
    of all nodes. Each node is in about 2 log2(n) pairs. An isolated node breaks several pairs, and a split of the cluster always breaks a pair.
    """
    count = len(nodes)
    if count <= ALL_PAIRS_UP_TO:
        return {node: frozenset(nodes) - {node} for node in nodes}
    steps = [1 << power for power in range((count - 1).bit_length())]
    return {node: frozenset(nodes[(place + step) % count] for step in steps if step < count) - {node} for place, node in enumerate(nodes)}


def describe_sample(pairs: Mapping[str, frozenset[str]]) -> str:
    """A sentence with the size of the sample; "" when all pairs were checked."""
    count, tried = len(pairs), sum(len(targets) for targets in pairs.values())
    whole = count * (count - 1)
    return (
        ""
        if tried == whole
        else f"{count} nodes: a covering sample of {tried} of {whole} pairs of nodes was checked, each node with {tried // count} others"
    )
