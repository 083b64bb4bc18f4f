"""The state of a cluster in the Kubernetes API. kube/ reads it, and cluster/plan/create.py compares it with the spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Address, Network
from cluster.vocabulary.spec import Taint


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
    drain_unfinished: bool = False  # a drain of sixstack was interrupted, and left the node cordoned
    managed_labels: tuple[str, ...] = ()  # keys that sixstack has set, stored in an annotation
    managed_taints: tuple[str, ...] = ()  # the same, KEY:EFFECT
    runtime_version: str = ""  # of the running container runtime, such as containerd://2.2.1


@dataclass(frozen=True, slots=True)
class ObjectDifference:
    """A field of an object in the API that differs from the applied document. Values that may be secret are left out."""

    object: str  # KIND NAMESPACE/NAME
    field: str  # with dots; "" for the whole object
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as its API server shows it."""

    nodes: tuple[NodeState, ...] = ()
    cni: CniKind | None = None  # None: no pod network; `none`: a pod network that sixstack did not install
    cni_digest: str = ""  # of the applied documents, if sixstack installed the network
    block_sizes: Mapping[Network, int] = field(default_factory=dict)  # of Calico's pools, by range
    cni_detail: str = ""  # description, for every pod network ("calico 3.31")
    network_differences: tuple[ObjectDifference, ...] = ()  # from the documents of the spec; only compared if their digest is cni_digest
    coredns_ready: bool = False
    component_images: Mapping[str, str] = field(default_factory=dict)  # of the first container of kube-proxy and coredns
    # from ConfigMaps of kubeadm, {} without a ConfigMap: ClusterConfiguration, KubeletConfiguration, KubeProxyConfiguration
    kubeadm: dict[str, Any] = field(default_factory=dict)
    kubelet: dict[str, Any] = field(default_factory=dict)
    kube_proxy: dict[str, Any] = field(default_factory=dict)
    # from CoreDNS's Corefile, empty if unknown: the domain of the cluster, and the upstream name servers
    dns_domain: str = ""
    dns_upstreams: tuple[str, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)  # remembered SSH endpoints, encoded, by node

    def node(self, name: str) -> NodeState | None:
        """The node with this name, or None."""
        return next((node for node in self.nodes if node.name == name), None)
