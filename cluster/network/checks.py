"""One result of a network check: kind, source, target, family and layer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cluster.vocabulary.families import Family, family_name


class CheckKind(StrEnum):
    """Kind of a check."""

    NODE_ADDRESSES = "node-addresses"
    NODE_LABELS = "node-labels"
    POD_RANGES = "pod-ranges"  # the pod ranges of the node
    POD_ADDRESSES = "pod-addresses"
    PROBE = "probe"  # start of the probe pod
    PING = "ping"
    HTTP = "http"
    MTU = "mtu"  # a packet of the size of the pod MTU, unfragmented
    SOURCE_ADDRESS = "source-address"  # source address that a machine outside the pod network sees
    OUTSIDE = "outside"  # an address outside the cluster
    SERVICE_FAMILIES = "service-families"  # families that the API server assigns for an ipFamilyPolicy
    CLUSTER_IP = "cluster-ip"
    NODE_PORT = "node-port"
    SESSION_AFFINITY = "session-affinity"
    DNS = "dns"
    REVERSE_DNS = "reverse-dns"
    HEADLESS = "headless"
    NETWORK_POLICY = "network-policy"


class Layer(StrEnum):
    """Layer of a fault."""

    NODE = "node"  # kubelet: registered addresses, containers
    LABELS = "node-labels"
    NODE_NETWORK = "node-network"  # routes and firewalls between the machines
    POD_NETWORK = "pod-network"  # the CNI plug-in
    EGRESS = "egress"  # from pods to machines outside the pod network
    SERVICE = "service"  # kube-proxy
    DNS = "cluster-dns"  # CoreDNS
    NETWORK_POLICY = "network-policy"


@dataclass(frozen=True, slots=True)
class Check:
    """One result: kind, source, target, family and layer."""

    kind: CheckKind
    family: Family | None  # None: concerns both
    source: str
    target: str  # "" if the check concerns only the source
    layer: Layer
    ok: bool
    detail: str = ""  # the actual result if not ok, else the measured value, if any
    source_node: str = ""  # "" without a single node
    target_node: str = ""

    def __str__(self) -> str:
        over = f" over {family_name(self.family)}" if self.family else ""
        return f"{words(self.layer)}: {words(self.kind)} {self.path}{over}: {self.detail or 'ok'}"

    @property
    def path(self) -> str:
        """Source and target as text."""
        return f"from {self.source} to {self.target}" if self.target else f"of {self.source}"

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes of source and target."""
        return frozenset({self.source_node, self.target_node} - {""})

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "kind": self.kind.value,
            "family": self.family.value if self.family else None,
            "source": self.source,
            "target": self.target,
            "layer": self.layer.value,
            "ok": self.ok,
            "detail": self.detail,
            "source_node": self.source_node,
            "target_node": self.target_node,
        }


_WORDS: dict[CheckKind | Layer, str] = {
    CheckKind.HTTP: "HTTP",
    CheckKind.MTU: "MTU",
    CheckKind.CLUSTER_IP: "ClusterIP",
    CheckKind.NODE_PORT: "NodePort",
    CheckKind.DNS: "DNS",
    CheckKind.REVERSE_DNS: "reverse DNS",
    CheckKind.HEADLESS: "headless service",
    CheckKind.NETWORK_POLICY: "NetworkPolicy",
    Layer.DNS: "cluster DNS",
    Layer.NETWORK_POLICY: "NetworkPolicy",
}


def words(code: CheckKind | Layer) -> str:
    """Display name of a kind or layer."""
    return _WORDS.get(code) or code.value.replace("-", " ")
