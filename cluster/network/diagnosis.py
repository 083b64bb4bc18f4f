"""Diagnose failed checks. Consequences of a fault in a deeper layer are counted with that fault, and each finding has its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.network.checks import Check, CheckKind, Layer, words
from cluster.vocabulary.families import Family, family_names

# What to check, by layer, or by kind if that is more precise.
LOOK_AT: dict[Layer | CheckKind, str] = {
    Layer.NODE: "the kubelet and the container runtime of that node",
    Layer.LABELS: "the node labels, which create-cluster sets again",
    Layer.NODE_NETWORK: "routes, routers and firewalls between the machines",
    Layer.POD_NETWORK: "the CNI plug-in's pod on these nodes, forwarding, routes to the pod ranges, and a firewall that drops its tunnel",
    Layer.EGRESS: "forwarding and masquerading on that node, and a firewall between pods and machines",
    Layer.SERVICE: "kube-proxy on that node, and a firewall in front of it",
    Layer.DNS: "the CoreDNS pods and the kube-dns service; if only one node fails, a firewall for port 53 on that node",
    Layer.NETWORK_POLICY: "the policy controller of the CNI plug-in",
    CheckKind.MTU: "the MTU of the tunnel device and of the link below it: the tunnel header takes 50 bytes over IPv4, 70 over IPv6",
    CheckKind.SOURCE_ADDRESS: "the masquerade rules for the pod ranges on that node, or the setting for outgoing NAT",
    CheckKind.OUTSIDE: "the route and the firewall from that node to the address",
    CheckKind.SERVICE_FAMILIES: "the API server's --service-cluster-ip-range and the families of the cluster",
    CheckKind.POD_RANGES: "kube-controller-manager's --cluster-cidr and --allocate-node-cidrs",
    CheckKind.POD_ADDRESSES: "the CNI plug-in's configuration of addresses",
    CheckKind.PROBE: "the events of the probe pod. An image that cannot be pulled is not a network fault",
    CheckKind.NODE_PORT: "kube-proxy on the target node, its --nodeport-addresses, and a firewall for the node ports",
}

# kinds with separate findings within their layer
_SEPARATE = frozenset(
    {
        CheckKind.MTU,
        CheckKind.SOURCE_ADDRESS,
        CheckKind.OUTSIDE,
        CheckKind.SERVICE_FAMILIES,
        CheckKind.POD_RANGES,
        CheckKind.POD_ADDRESSES,
        CheckKind.PROBE,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault."""

    layer: Layer
    subject: CheckKind | None  # None: the layer as a whole
    families: tuple[Family, ...]  # (): all families
    nodes: tuple[str, ...]  # affected nodes; (): all nodes
    checks: tuple[Check, ...]  # failed checks that show the fault
    follows: int  # number of other failures that the fault explains

    @property
    def look_at(self) -> str:
        """What to check."""
        return LOOK_AT[self.subject or self.layer]

    @property
    def summary(self) -> str:
        """One clause: layer, families, nodes, number of failures, and the first failure."""
        over = f" over {family_names(self.families)}" if self.families else ""
        where = f" at {' and '.join(self.nodes)}" if self.nodes else " everywhere"
        name = f"{words(self.subject)} ({words(self.layer)})" if self.subject else words(self.layer)
        count = f"{len(self.checks)} {'check' if len(self.checks) == 1 else 'checks'} failed"
        more = f", and {self.follows} checks failed as a consequence" if self.follows else ""
        first = self.checks[0]
        return f"{name}{over}{where}: {count}{more}; first: {words(first.kind)} {first.path}: {first.detail}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "layer": self.layer.value,
            "subject": self.subject.value if self.subject else None,
            "families": [family.value for family in self.families],
            "nodes": list(self.nodes),
            "says": self.summary,
            "look_at": self.look_at,
            "failed": len(self.checks),
            "follows": self.follows,
        }


def diagnose(checks: Iterable[Check], families: Sequence[Family], nodes: Sequence[str]) -> tuple[Finding, ...]:
    """The faults, deepest layer first. `families`: those of the cluster, primary first."""
    failures = [check for check in checks if not check.ok]
    causes = {id(check): [other for other in failures if other is not check and _explains(other, check, families[0])] for check in failures}
    roots = [check for check in failures if not causes[id(check)]]
    groups: dict[tuple[Layer, CheckKind | None, Family | None], list[Check]] = {}
    for check in roots:
        groups.setdefault((check.layer, check.kind if check.kind in _SEPARATE else None, check.family), []).append(check)
    # merge equal faults of both families
    merged: dict[tuple[Layer, CheckKind | None, tuple[str, ...]], list[tuple[Family | None, list[Check]]]] = {}
    for (layer, subject, family), group in groups.items():
        merged.setdefault((layer, subject, suspects(group, nodes)), []).append((family, group))
    order = list(Layer)
    findings = [
        Finding(
            layer=layer,
            subject=subject,
            families=tuple(family for family in families if family in {name for name, _ in parts}),
            nodes=where,
            checks=(symptoms := tuple(check for _, part in parts for check in part)),
            follows=_count_follow_ups(symptoms, failures, causes),
        )
        for (layer, subject, where), parts in merged.items()
    ]
    return tuple(sorted(findings, key=lambda finding: (order.index(finding.layer), finding.subject or "", finding.nodes)))


def suspects(checks: Sequence[Check], nodes: Sequence[str]) -> tuple[str, ...]:
    """The nodes that all failures have in common, else all nodes of the failures; () for all nodes."""
    touched = [check.nodes for check in checks if check.nodes]
    if not touched:
        return ()
    shared = frozenset.intersection(*touched)
    # if a pair fails in only one direction, the faulty end is unknown: return both
    group = shared or frozenset.union(*touched)
    if not shared and len(group) >= len(nodes):
        return ()
    return tuple(sorted(group))


def _count_follow_ups(symptoms: tuple[Check, ...], failures: list[Check], causes: dict[int, list[Check]]) -> int:
    own = {id(check) for check in symptoms}
    return sum(1 for check in failures if any(id(cause) in own for cause in causes[id(check)]))


def _explains(cause: Check, check: Check, primary: Family) -> bool:
    """Whether the fault of `cause` can explain the failure of `check`. Only deeper layers explain others, so there is no cycle."""
    if cause.kind is CheckKind.PROBE:
        return False
    if check.kind is CheckKind.NETWORK_POLICY:
        return cause.layer is Layer.POD_NETWORK and cause.family is check.family and cause.nodes == check.nodes
    if check.layer is Layer.DNS:
        # all DNS queries go to the kube-dns service, whose address has the primary family
        reached = cause.layer in (Layer.NODE_NETWORK, Layer.POD_NETWORK, Layer.SERVICE) and cause.kind not in (
            CheckKind.NODE_PORT,
            CheckKind.MTU,
            CheckKind.SERVICE_FAMILIES,
        )
        return reached and cause.family is primary and check.source_node in cause.nodes
    if cause.family is not check.family:
        return False
    return _same_family_explains(cause, check)


def _same_family_explains(cause: Check, check: Check) -> bool:
    above = list(Layer).index(check.layer) > list(Layer).index(cause.layer)
    reach = cause.kind in (CheckKind.PING, CheckKind.HTTP)
    if cause.kind is CheckKind.MTU:
        # if packets are too large for a path, the nodes at its ends fragment them
        return check.kind is CheckKind.MTU and bool(cause.target) and not check.target and check.source_node in cause.nodes
    if cause.kind is CheckKind.HTTP and cause.layer is Layer.NODE_NETWORK:
        # a firewall for one port refuses all clients of this port
        return check.layer is Layer.EGRESS and check.kind in (CheckKind.HTTP, CheckKind.SOURCE_ADDRESS) and check.target == cause.target
    if reach and cause.layer is Layer.EGRESS:
        return check.kind in (CheckKind.SOURCE_ADDRESS, CheckKind.OUTSIDE) and check.source_node == cause.source_node
    if reach and cause.layer is Layer.POD_NETWORK and check.kind is CheckKind.MTU:
        return cause.nodes == check.nodes
    return reach and above and cause.layer in (Layer.NODE_NETWORK, Layer.POD_NETWORK) and _have_common_ends(cause, check)


def _have_common_ends(cause: Check, check: Check) -> bool:
    """Whether both checks have the same ends, or a common end if a service chooses the other end."""
    if check.kind in (CheckKind.CLUSTER_IP, CheckKind.NODE_PORT, CheckKind.SESSION_AFFINITY):
        return bool(cause.nodes & check.nodes)
    return bool(check.nodes) and check.nodes == cause.nodes
