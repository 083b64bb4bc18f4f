"""The immutable settings of an existing cluster, from its hosts and its API, or from its cluster file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.kubeadm.documents import control_plane_endpoint, node_mask_args
from cluster.plan.resolution import resolve_offline
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Address, Family, Network, StackMode, family_of
from cluster.vocabulary.hostport import api_bind_port
from cluster.vocabulary.spec import ClusterSpec, PodNetwork, Role
from cluster.vocabulary.topology import topology


@dataclass(frozen=True, slots=True)
class ExistingCluster:
    """An existing cluster. An unknown value is empty or None and is not compared."""

    name: str
    services: tuple[Network, ...] = ()  # primary family first
    pods: tuple[Network, ...] = ()
    node_masks: Mapping[str, str] = field(default_factory=dict)  # the controller manager's arguments, by name
    dns_domain: str | None = None
    endpoint: str | None = None  # host:port
    bind_port: int | None = None  # of the API server
    version: str | None = None  # with its leading v
    kubelets: Mapping[str, str] = field(default_factory=dict)  # version by node
    roles: Mapping[str, Role] = field(default_factory=dict)  # of hosts that joined
    addresses: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)  # the --node-ip of kubelet, by host
    nodes: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)  # by Node object
    cni: CniKind | None = None  # as ClusterState.cni
    cni_detail: str = ""
    block_sizes: Mapping[Network, int] = field(default_factory=dict)  # of Calico's pools, by their range

    @property
    def families(self) -> tuple[Family, ...]:
        """Families in use, primary first; empty for an unknown cluster."""
        return tuple(family_of(network) for network in self.services or self.pods)

    def as_spec(self, spec: ClusterSpec) -> ClusterSpec:
        """`spec` with this cluster's families, ranges and host addresses instead of its own."""
        if not self.families:
            return spec
        stack = StackMode.DUAL_STACK if len(self.families) > 1 else StackMode(self.families[0].value)
        masks = {Family(name.rpartition("-")[2]): int(mask) for name, mask in self.node_masks.items() if mask.isdigit()}
        pods = tuple(PodNetwork(cidr=cidr, node_mask=masks.get(family_of(cidr))) for cidr in self.pods)
        hosts = tuple(host.model_copy(update={"addresses": self.addresses.get(host.name, ())}) for host in spec.hosts)
        network = spec.network.model_copy(update={"pods": pods or spec.network.pods, "services": self.services or spec.service_ranges})
        return spec.model_copy(update={"stack": stack, "primary_family": self.families[0], "network": network, "hosts": hosts})


def observed_cluster(spec: ClusterSpec, facts: Mapping[str, HostFacts], state: ClusterState | None) -> ExistingCluster:
    """The cluster of that name, from the static pods on the control plane's disk and from the state of the API server if it answers.

    Hosts of other clusters are ignored (other rules refuse them).
    """
    ours = {name: found.kubernetes for name, found in facts.items() if found.owner == spec.name and found.kubernetes.present}
    control_plane = ours.get(topology(spec).seed.name)
    kubeadm = state.kubeadm if state else {}
    networking = kubeadm.get("networking", {})
    members = {name: found for name, found in ours.items() if found.kubelet_config}
    return ExistingCluster(
        name=spec.name,
        services=_ranges(networking.get("serviceSubnet")) or (control_plane.service_ranges if control_plane else ()),
        pods=_ranges(networking.get("podSubnet")) or (control_plane.pod_ranges if control_plane else ()),
        node_masks=_masks(kubeadm),
        dns_domain=networking.get("dnsDomain") or (control_plane.dns_domain if control_plane else None),
        endpoint=kubeadm.get("controlPlaneEndpoint"),
        bind_port=control_plane.api_port if control_plane else None,
        version=kubeadm.get("kubernetesVersion"),
        kubelets={node.name: node.kubelet_version for node in state.nodes} if state else {},
        roles={name: Role.CONTROL_PLANE if found.api_manifest else Role.WORKER for name, found in members.items()},
        addresses={name: found.node_ips for name, found in members.items() if found.node_ips},
        nodes={node.name: node.addresses for node in state.nodes} if state else {},
        cni=state.cni if state else None,
        cni_detail=state.cni_detail if state else "",
        block_sizes=state.block_sizes if state else {},
    )


def specified_cluster(spec: ClusterSpec) -> ExistingCluster:
    """A cluster that matches its file. With `cni: none` the pod network is unknown."""
    addresses = {host.name: host.addresses for host in spec.hosts if host.addresses}
    return ExistingCluster(
        name=spec.name,
        services=spec.service_ranges,
        pods=spec.pod_ranges,
        node_masks=node_mask_args(spec),
        dns_domain=spec.network.dns_domain,
        endpoint=known_endpoint(spec),
        bind_port=known_bind_port(spec),
        version=spec.version,
        roles={host.name: host.role for host in spec.hosts},
        addresses=addresses,
        nodes=addresses,
        cni=spec.cni.kind if pod_network(spec).installed else None,
        cni_detail=spec.cni.kind.value if pod_network(spec).installed else "",
        block_sizes=pod_network(spec).block_sizes(spec),
    )


def known_endpoint(spec: ClusterSpec) -> str | None:
    """host:port of the API server from the file; None when only the host knows the address."""
    if spec.control_plane.endpoint is None and not topology(spec).seed.addresses:
        return None
    return control_plane_endpoint(resolve_offline(spec))


def known_bind_port(spec: ClusterSpec) -> int | None:
    """The port that the API server listens on, from the file; None when it depends on addresses that only the host knows."""
    seed = topology(spec).seed
    unknown = spec.control_plane.bind_port is None and spec.control_plane.endpoint is not None and not seed.addresses
    return None if unknown else api_bind_port(spec.control_plane, seed.addresses)


def _masks(kubeadm: Mapping[str, object]) -> dict[str, str]:
    manager = kubeadm.get("controllerManager")
    arguments = manager.get("extraArgs") if isinstance(manager, Mapping) else None
    return {
        str(argument["name"]): str(argument["value"])
        for argument in arguments or []
        if str(argument["name"]).startswith("node-cidr-mask-size-")
    }


def _ranges(text: str | None) -> tuple[Network, ...]:
    return tuple(ip_network(part) for part in text.split(",")) if text else ()
