"""What a network check expects and finds: plain types, filled by kube/network_check, shown by artifacts and the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cluster.families import Address, Family
from cluster.spec import ClusterSpec


class CheckKind(StrEnum):
    """What was tried."""

    NODE_ADDRESSES = "node-addresses"
    POD_ADDRESSES = "pod-addresses"
    PROBE = "probe"  # getting the probe itself to run
    PING = "ping"
    HTTP = "http"
    NODE_PORT = "node-port"
    CLUSTER_IP = "cluster-ip"
    DNS = "dns"


class Layer(StrEnum):
    """Where to look when it failed."""

    NODE = "node"  # kubelet: the address it registered, the container it should run
    NODE_NETWORK = "node-network"  # routes and firewalls between the machines
    POD_NETWORK = "pod-network"  # the CNI plug-in
    SERVICE = "service"  # kube-proxy
    DNS = "cluster-dns"  # CoreDNS


LOOK_AT = {
    Layer.NODE: "kubelet and container runtime of that node",
    Layer.NODE_NETWORK: "routes, router and firewall between the machines",
    Layer.POD_NETWORK: "the CNI plug-in's pod on both nodes, forwarding, and a firewall that drops its tunnel",
    Layer.SERVICE: "kube-proxy on the source's node",
    Layer.DNS: "the CoreDNS pods and the kube-dns service",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One result: from where to where, over which family, at which layer."""

    kind: CheckKind
    family: Family | None  # None: concerns both
    source: str
    target: str  # "" for what concerns the source alone
    layer: Layer
    ok: bool
    detail: str = ""  # what came instead, when not ok

    def __str__(self) -> str:
        over = f" over {family_name(self.family)}" if self.family else ""
        return f"{_words(self.layer)}: {_words(self.kind)} {self.path}{over}: {self.detail or 'ok'}"

    @property
    def path(self) -> str:
        """From where to where, in words."""
        return f"from {self.source} to {self.target}" if self.target else f"of {self.source}"

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
        }


@dataclass(frozen=True, slots=True)
class ExpectedNetwork:
    """What the network should be like."""

    families: tuple[Family, ...]  # primary first
    # node name -> its addresses, primary first, () where any of the right families will do; no names at all: every node of the cluster
    nodes: Mapping[str, tuple[Address, ...]]
    dns_domain: str = "cluster.local"

    @classmethod
    def of(cls, spec: ClusterSpec) -> ExpectedNetwork:
        """What a cluster file (with its hosts' addresses resolved) asks for."""
        return cls(spec.families, {host.name: host.addresses for host in spec.hosts}, spec.network.dns_domain)


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """All results of one network check."""

    families: tuple[Family, ...]
    nodes: tuple[str, ...]
    checks: tuple[Check, ...]
    seconds: float
    notes: tuple[str, ...] = field(default=())  # what is worth saying and is no failure

    @property
    def failures(self) -> tuple[Check, ...]:
        """The results that are not ok."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def ok(self) -> bool:
        """Something was checked, and all of it is well."""
        return bool(self.checks) and not self.failures

    @property
    def verdict(self) -> str:
        """One sentence."""
        over = " and ".join(family_name(family) for family in self.families)
        scope = f"{len(self.nodes)} {'node' if len(self.nodes) == 1 else 'nodes'} over {over}"
        if not self.checks:
            return f"The network of {scope} was not checked."
        if self.ok:
            return f"The network works: {len(self.checks)} checks passed between {scope}."
        layers = {check.layer: None for check in self.failures}
        first = self.failures[0]
        return (
            f"The network is broken at {', '.join(_words(layer) for layer in layers)}: {len(self.failures)} of {len(self.checks)} checks failed "
            f"between {scope}; first: {first}. Look at {LOOK_AT[first.layer]}."
        )

    def table_rows(self) -> list[dict[str, str]]:
        """A row per kind, layer and family: how many passed, and the first that did not."""
        groups: dict[tuple[CheckKind, Layer, Family | None], list[Check]] = {}
        for check in self.checks:
            groups.setdefault((check.kind, check.layer, check.family), []).append(check)
        rows = []
        for (kind, layer, family), checks in groups.items():
            failed = [check for check in checks if not check.ok]
            rows.append(
                {
                    "check": _words(kind),
                    "layer": _words(layer),
                    "family": family_name(family) if family else "all",
                    "result": "ok" if not failed else "FAILED",
                    "passed": f"{len(checks) - len(failed)} of {len(checks)}",
                    "first failure": f"{failed[0].path}: {failed[0].detail}" if failed else "",
                }
            )
        return rows

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "ok": self.ok,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 1),
            "families": [family.value for family in self.families],
            "nodes": list(self.nodes),
            "notes": list(self.notes),
            "checks": [check.as_dict() for check in self.checks],
        }


def family_name(family: Family) -> str:
    """As people write it."""
    return "IPv4" if family is Family.IPV4 else "IPv6"


def _words(code: CheckKind | Layer) -> str:
    return code.value.replace("-", " ")
