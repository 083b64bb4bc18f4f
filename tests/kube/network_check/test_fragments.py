"""Fragmentation by a node, from the kernel's counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.vocabulary.families import Family
from kube.network_check.fragments import check_fragments, fragments_created
from kube.network_check.probes import mtu_probes
from tests.kube.network_check.scope import POD_A, scope


def test_the_counter_of_this_kernel_is_read() -> None:
    """The counter of IPv4 is in a table, that of IPv6 in a line."""
    lines = [line for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")]
    assert fragments_created(Family.IPV4, " ".join(lines)) is not None
    assert fragments_created(Family.IPV4, "Ip: Forwarding FragCreates Ip: 1 42") == 42
    assert fragments_created(Family.IPV6, "Ip6FragCreates                  \t7") == 7


@pytest.mark.parametrize("family", Family)
def test_other_output_gives_none(family: Family) -> None:
    """A kernel without the family, or output of another program."""
    assert fragments_created(family, "") is None
    assert fragments_created(family, "grep: no such file") is None


@pytest.mark.parametrize(("pieces", "ok"), [(0, True), (1, True), (2, False), (40, False)])
def test_two_fragments_for_each_packet_are_a_fault(pieces: int, ok: bool) -> None:
    """Fewer fragments are packets of other programs."""
    before = {("a", Family.IPV4): 100, ("a", Family.IPV6): 5}
    after = {("a", Family.IPV4): 100 + pieces, ("a", Family.IPV6): 5}
    checks = check_fragments(mtu_probes(POD_A, scope()), before, after)
    assert [(check.family, check.ok) for check in checks] == [(Family.IPV4, ok), (Family.IPV6, True)]


def test_a_node_without_counters_is_not_checked() -> None:
    """Without counters there is no check."""
    assert check_fragments(mtu_probes(POD_A, scope()), {}, {}) == []
