"""The expected network of a cluster, from a cluster file or from the API of an existing cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.families import Address, Family, Network
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class ExpectedNetwork:
    """The expected network of a cluster."""

    families: tuple[Family, ...]  # primary first
    # node name -> addresses, primary first; (): any addresses of the right families. Empty mapping: all nodes of the cluster
    nodes: Mapping[str, tuple[Address, ...]]
    dns_domain: str = "cluster.local"
    pod_ranges: tuple[Network, ...] = ()  # (): any
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # node name -> required labels
    # whether pod traffic that leaves the cluster gets the address of the node; a missing family is not checked
    nat: Mapping[Family, bool] = field(default_factory=dict)
    policy: bool | None = None  # whether NetworkPolicy is enforced; None: not checked
    cni: str = ""  # name of the pod network plug-in

    @classmethod
    def of(cls, spec: ClusterSpec) -> ExpectedNetwork:
        """The expected network of a resolved cluster file."""
        plugin = pod_network(spec)
        return cls(
            families=spec.families,
            nodes={host.name: host.addresses for host in spec.hosts},
            dns_domain=spec.network.dns_domain,
            pod_ranges=spec.pod_ranges,
            labels={host.name: node_labels(spec, host) for host in spec.hosts},
            nat=plugin.nat(spec),
            policy=plugin.enforces_policy(spec),
            cni=spec.cni.kind.value,
        )
