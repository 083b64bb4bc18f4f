"""One result of a network check: what was tried, from where to where, over which family, at which layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cluster.vocabulary.families import Family


class CheckKind(StrEnum):
    """What was tried."""

    NODE_ADDRESSES = "node-addresses"
    NODE_LABELS = "node-labels"
    POD_RANGES = "pod-ranges"  # those that the node was given
    POD_ADDRESSES = "pod-addresses"
    PROBE = "probe"  # getting the probe itself to run
    PING = "ping"
    HTTP = "http"
    MTU = "mtu"  # a packet as large as the pod's interface takes, in one piece
    SOURCE_ADDRESS = "source-address"  # whose address a machine outside the pod network sees
    OUTSIDE = "outside"  # an address that has nothing to do with the cluster
    SERVICE_FAMILIES = "service-families"  # what the API server makes of an ipFamilyPolicy
    CLUSTER_IP = "cluster-ip"
    NODE_PORT = "node-port"
    SESSION_AFFINITY = "session-affinity"
    DNS = "dns"
    REVERSE_DNS = "reverse-dns"
    HEADLESS = "headless"
    NETWORK_POLICY = "network-policy"


class Layer(StrEnum):
    """Where to look when it failed."""

    NODE = "node"  # kubelet: the address it registered, the container it should run
    LABELS = "node-labels"
    NODE_NETWORK = "node-network"  # routes and firewalls between the machines
    POD_NETWORK = "pod-network"  # the CNI plug-in
    EGRESS = "egress"  # from pods to machines outside the pod network
    SERVICE = "service"  # kube-proxy
    DNS = "cluster-dns"  # CoreDNS
    NETWORK_POLICY = "network-policy"


@dataclass(frozen=True, slots=True)
class Check:
    """One result: from where to where, over which family, at which layer."""

    kind: CheckKind
    family: Family | None  # None: concerns both
    source: str
    target: str  # "" for what concerns the source alone
    layer: Layer
    ok: bool
    detail: str = ""  # what came instead, when not ok; else what was measured, if anything was
    source_node: str = ""  # "" where no single node is meant
    target_node: str = ""

    def __str__(self) -> str:
        over = f" over {family_name(self.family)}" if self.family else ""
        return f"{words(self.layer)}: {words(self.kind)} {self.path}{over}: {self.detail or 'ok'}"

    @property
    def path(self) -> str:
        """From where to where, in words."""
        return f"from {self.source} to {self.target}" if self.target else f"of {self.source}"

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes at its ends."""
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


def family_name(family: Family) -> str:
    """As people write it."""
    return "IPv4" if family is Family.IPV4 else "IPv6"


def family_names(families: Iterable[Family]) -> str:
    """Several, in one phrase."""
    return " and ".join(family_name(family) for family in families)


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
    """A code as people write it."""
    return _WORDS.get(code) or code.value.replace("-", " ")
