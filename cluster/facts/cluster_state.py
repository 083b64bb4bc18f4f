"""What the Kubernetes API says of a cluster at one moment: read by kube/, compared with the spec by cluster/plan/plan.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.vocabulary.families import Address, Network
from cluster.vocabulary.spec import CniKind, Taint


@dataclass(frozen=True, slots=True)
class NodeState:
    """One Node object."""

    name: str
    ready: bool
    reason: str = ""  # of the Ready condition, when it is not True
    addresses: tuple[Address, ...] = ()  # InternalIP entries, in the order of the status
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    pod_ranges: tuple[Network, ...] = ()  # spec.podCIDRs
    kubelet_version: str = ""
    unschedulable: bool = False
    managed_labels: tuple[str, ...] = ()  # keys that we set on it, remembered in an annotation
    managed_taints: tuple[str, ...] = ()  # the same, KEY:EFFECT


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as its API server shows it."""

    nodes: tuple[NodeState, ...] = ()
    cni: CniKind | None = None  # None: no pod network was found; `none`: one that sixstack did not install
    cni_digest: str = ""  # of the documents that were applied, where the network is ours
    block_sizes: Mapping[Network, int] = field(default_factory=dict)  # of Calico's pools, by their range
    cni_detail: str = ""  # what was found in words, also when it is not one of ours ("calico 3.31")
    coredns_ready: bool = False
    # what kubeadm keeps in ConfigMaps, {} where there is none: ClusterConfiguration, KubeletConfiguration, KubeProxyConfiguration
    kubeadm: dict[str, Any] = field(default_factory=dict)
    kubelet: dict[str, Any] = field(default_factory=dict)
    kube_proxy: dict[str, Any] = field(default_factory=dict)
    # of CoreDNS's Corefile, empty where it is not known: the cluster's domain, and where the rest is forwarded to
    dns_domain: str = ""
    dns_upstreams: tuple[str, ...] = ()

    def node(self, name: str) -> NodeState | None:
        """The node of that name."""
        return next((node for node in self.nodes if node.name == name), None)
