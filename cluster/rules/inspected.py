"""The input of rules about facts: a cluster file and the facts of its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.facts.host_facts import HostFacts
from cluster.facts.host_paths import Connectivity
from cluster.facts.node_addresses import node_addresses
from cluster.vocabulary.families import Address
from cluster.vocabulary.spec import ClusterSpec, Host, Role


@dataclass(frozen=True, slots=True)
class Inspected:
    """A cluster file and the facts of its hosts. An unreachable host has no facts."""

    spec: ClusterSpec
    facts: Mapping[str, HostFacts]
    bundle_architecture: str
    bundle_size: int  # bytes
    connectivity: Connectivity = field(default_factory=Connectivity)

    @property
    def hosts(self) -> tuple[tuple[Host, HostFacts], ...]:
        """Hosts with their facts, in file order."""
        return tuple((host, self.facts[host.name]) for host in self.spec.hosts if host.name in self.facts)

    @property
    def control_plane(self) -> HostFacts | None:
        """Facts of the first control plane."""
        return next((facts for host, facts in self.hosts if host.role is Role.CONTROL_PLANE), None)

    def owns(self, facts: HostFacts) -> bool:
        """Whether this cluster has claimed the host. The files of this cluster are then no conflict, even if incomplete."""
        return facts.owner == self.spec.name

    def is_member(self, facts: HostFacts) -> bool:
        """Whether the host is a node of this cluster already."""
        return self.owns(facts) and facts.kubernetes.kubelet_config

    def addresses(self, host: Host) -> tuple[Address, ...]:
        """The node addresses of a host, from the file or from the facts."""
        return node_addresses(self.spec, host, self.facts[host.name]) if host.name in self.facts else host.addresses
