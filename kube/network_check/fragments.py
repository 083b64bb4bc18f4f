"""Fragmentation by nodes: the hidden effect of a pod MTU that, with the headers of the tunnel, is too large for the link.

No packet is lost on a good link, because the kernel sends each packet in two fragments. Fragmentation costs speed, and behind firewalls
that drop fragments large answers are lost. The kernel counts the fragments of each network namespace (RFC 4293, ipSystemStatsOutFragCreates).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from cluster.network.checks import Check, CheckKind, Layer
from cluster.vocabulary.families import Family
from kube.network_check.pods import Endpoint
from kube.network_check.probes import Probe


def fragment_probes(source: Endpoint, families: Sequence[Family]) -> list[Probe]:
    """The probes of a hostNetwork pod that read the counters of its node."""
    return [
        Probe(CheckKind.MTU, Layer.POD_NETWORK, family, source.name, "", "fragments", "-", source_node=source.node) for family in families
    ]


def fragments_created(family: Family, text: str) -> int | None:
    """The value of FragCreates in the output of the script (two lines of /proc/net/snmp joined, or one line of /proc/net/snmp6), or None."""
    words = text.split()
    if family is Family.IPV6:
        return int(words[1]) if len(words) == 2 and words[1].isdigit() else None
    half = len(words) // 2
    heads, values = words[:half], words[half:]
    return int(values[heads.index("FragCreates")]) if "FragCreates" in heads and len(values) == half else None


def check_fragments(
    sent: Sequence[Probe], before: Mapping[tuple[str, Family], int | None], after: Mapping[tuple[str, Family], int | None]
) -> list[Check]:
    """Check for each node and family whether the large packets (`sent`) were fragmented. A few fragments of other programs are ignored."""
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
