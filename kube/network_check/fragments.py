"""Packets that a node fragments: the hidden effect of a pod MTU that is too large for the link with the headers of the tunnel.

A good link loses no packet, because the kernel sends each one in two fragments. That costs speed, and firewalls that drop fragments lose
large answers. The kernel counts the fragments (RFC 4293, ipSystemStatsOutFragCreates) by network namespace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from cluster.network.checks import Check, CheckKind, Layer
from cluster.vocabulary.families import Family
from kube.network_check.pods import Endpoint
from kube.network_check.probes import Probe


def fragment_probes(source: Endpoint, families: Sequence[Family]) -> list[Probe]:
    """The probes that read the counters of the node of a hostNetwork pod."""
    return [
        Probe(CheckKind.MTU, Layer.POD_NETWORK, family, source.name, "", "fragments", "-", source_node=source.node) for family in families
    ]


def fragments_created(family: Family, text: str) -> int | None:
    """FragCreates in the output of the script: two lines of /proc/net/snmp in one, or one line of /proc/net/snmp6; None without it."""
    words = text.split()
    if family is Family.IPV6:
        return int(words[1]) if len(words) == 2 and words[1].isdigit() else None
    half = len(words) // 2
    heads, values = words[:half], words[half:]
    return int(values[heads.index("FragCreates")]) if "FragCreates" in heads and len(values) == half else None


def check_fragments(
    sent: Sequence[Probe], before: Mapping[tuple[str, Family], int | None], after: Mapping[tuple[str, Family], int | None]
) -> list[Check]:
    """Check for each node and family whether its large packets (`sent`) were fragmented; single packets of other programs do not count."""
    checks = []
    packets = Counter((probe.source_node, probe.family) for probe in sent)
    for (node, family), count in packets.items():
        was, is_now = before.get((node, family)), after.get((node, family))
        if was is None or is_now is None:
            continue
        pieces = is_now - was
        detail = f"the node sent {pieces} fragments while its pods sent {count} packets of the MTU of their interface"
        fault = detail if pieces >= 2 * count else ""
        checks.append(
            Check(CheckKind.MTU, family, f"node {node}", "", Layer.POD_NETWORK, not fault, fault or "not fragmented", source_node=node)
        )
    return checks
