"""Detect the pod network of a cluster from its workloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cluster.facts.cluster_state import ClusterState
from cluster.pod_networks.none import NoPodNetwork
from cluster.pod_networks.plugins import POD_NETWORKS
from cluster.vocabulary.cni_kinds import CniKind

# annotations of workloads that sixstack applied: kind of the network, and sha256 of all its documents
KIND_ANNOTATION = "cni.sixstack.io/kind"
DIGEST_ANNOTATION = "cni.sixstack.io/sha256"


@dataclass(frozen=True, slots=True)
class ForeignNetwork:
    """A plug-in that sixstack did not install."""

    title: str
    policy: bool | None = True  # whether it enforces NetworkPolicy; None: unknown


# by DaemonSet name; without flannel, whose objects are the same with and without sixstack
FOREIGN_NETWORKS: Mapping[str, ForeignNetwork] = {
    "antrea-agent": ForeignNetwork("Antrea"),
    "calico-node": ForeignNetwork("Calico"),
    "canal": ForeignNetwork("Canal"),
    "cilium": ForeignNetwork("Cilium"),
    "kindnet": ForeignNetwork("kindnet", policy=None),
    "kube-ovn-cni": ForeignNetwork("Kube-OVN"),
    "kube-router": ForeignNetwork("kube-router"),
    "ovnkube-node": ForeignNetwork("OVN-Kubernetes"),
    "weave-net": ForeignNetwork("Weave Net"),
}
# the kind of a pod network that sixstack did not install
NOT_OURS = NoPodNetwork.kind
_ENFORCING = tuple(network.title for network in FOREIGN_NETWORKS.values() if network.policy)


@dataclass(frozen=True, slots=True)
class Workload:
    """A DaemonSet or Deployment."""

    name: str
    image: str  # image of its first container
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstalledNetwork:
    """The pod network in use."""

    kind: CniKind | None = None  # NOT_OURS: not installed by sixstack; None: no pod network
    detail: str = ""  # description with the image
    digest: str = ""  # digest of the documents that sixstack applied


def installed_network(workloads: Iterable[Workload]) -> InstalledNetwork:
    """The plug-in in use: a plug-in of sixstack by its annotation or DaemonSet, a foreign one, or none."""
    by_workload = {plugin.workload: plugin for plugin in POD_NETWORKS.values() if plugin.workload}
    foreign = InstalledNetwork()
    for workload in workloads:
        if (kind := workload.annotations.get(KIND_ANNOTATION)) is not None:
            return InstalledNetwork(CniKind(kind), f"{kind} ({workload.image})", workload.annotations.get(DIGEST_ANNOTATION, ""))
        if (plugin := by_workload.get(workload.name)) is not None:
            return InstalledNetwork(plugin.kind, f"{plugin.title.capitalize()} ({workload.image})")
        if (network := FOREIGN_NETWORKS.get(workload.name)) is not None:
            foreign = InstalledNetwork(NOT_OURS, f"{network.title} ({workload.image})")
    return foreign


def enforces_policy(state: ClusterState) -> bool | None:
    """Whether the pod network of a cluster enforces NetworkPolicy; None: unknown."""
    known = POD_NETWORKS[state.cni].policy if state.cni is not None else None
    if known is not None:
        return known
    return True if state.cni_detail.startswith(_ENFORCING) else None
