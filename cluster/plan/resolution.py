"""What the cluster file leaves to the hosts: their addresses, and the pods' MTU."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.facts.host_facts import HostFacts
from cluster.facts.node_addresses import node_addresses
from cluster.pod_networks.pod_mtu import with_pod_mtu
from cluster.vocabulary.spec import ClusterSpec


def resolve(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> ClusterSpec:
    """The spec with what its file leaves to the hosts: their addresses, where facts are known, and the pods' MTU; when the rules found no error."""
    hosts = tuple(
        host.model_copy(update={"addresses": node_addresses(spec, host, facts[host.name])}) if host.name in facts else host
        for host in spec.hosts
    )
    return with_pod_mtu(spec.model_copy(update={"hosts": hosts}), facts)
