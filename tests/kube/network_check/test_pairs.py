"""The selection of pairs of nodes."""

from __future__ import annotations

import pytest

from kube.network_check.pairs import ALL_PAIRS_UP_TO, describe_sample, pairs_to_try


def names(count: int) -> list[str]:
    """The names of `count` nodes."""
    return [f"node-{number}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, ALL_PAIRS_UP_TO])
def test_a_small_cluster_has_all_pairs(count: int) -> None:
    """Every pair in both directions, without a note."""
    pairs = pairs_to_try(names(count))
    assert sum(map(len, pairs.values())) == count * (count - 1)
    assert describe_sample(pairs) == ""


@pytest.mark.parametrize("count", [ALL_PAIRS_UP_TO + 1, 16, 17, 50, 1000])
def test_a_large_cluster_is_covered_by_few_pairs(count: int) -> None:
    """Each node probes about log2(n) others and is probed by as many, never itself, and the pairs connect all nodes."""
    pairs = pairs_to_try(names(count))
    limit = count.bit_length()
    assert all(limit - 1 <= len(targets) <= limit and node not in targets for node, targets in pairs.items())
    tried = [target for targets in pairs.values() for target in targets]
    assert all(tried.count(node) >= limit - 1 for node in names(count)[:: max(1, count // 20)])
    reached, edge = {"node-0"}, {"node-0"}
    while edge:
        edge = {target for node in edge for target in pairs[node]} - reached
        reached |= edge
    assert len(reached) == count
    assert f"of {count * (count - 1)} pairs" in describe_sample(pairs)
