"""What a cluster's network should be like: asked for by a cluster file, or read from the API of a cluster that somebody else made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.families import Address, Family, Network
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class ExpectedNetwork:
    """What the network should be like."""

    families: tuple[Family, ...]  # primary first
    # node name -> its addresses, primary first, () where any of the right families will do; no names at all: every node of the cluster
    nodes: Mapping[str, tuple[Address, ...]]
    dns_domain: str = "cluster.local"
    pod_ranges: tuple[Network, ...] = ()  # (): any
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # node name -> the labels it must have
    # whether pods leave the cluster with their node's address; a family that is not named: either will do
    nat: Mapping[Family, bool] = field(default_factory=dict)
    policy: bool | None = None  # whether NetworkPolicy is enforced; None: either will do
    cni: str = ""  # the pod network plug-in, in words

    @classmethod
    def of(cls, spec: ClusterSpec) -> ExpectedNetwork:
        """What a cluster file (with its hosts' addresses resolved) asks for."""
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
