"""The difference between two specs: families and ranges that are added, removed or moved. Either spec may lack addresses of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.kubeadm.documents import certificate_names, cluster_configuration, node_mask_args
from cluster.plan.resolution import UNKNOWN, resolve_offline
from cluster.vocabulary.families import Family, Network, family_of
from cluster.vocabulary.spec import ClusterSpec, Host
from cluster.vocabulary.topology import topology


class Difference:
    """The difference from the existing cluster (`old`) to the requested one (`new`)."""

    def __init__(self, old: ClusterSpec, new: ClusterSpec) -> None:
        self.old, self.new = old, new
        self.added = next((family for family in new.families if family not in old.families), None)
        self.removed = next((family for family in old.families if family not in new.families), None)
        self.primary = new.families[0]
        kept = [family for family in new.families if family in old.families]
        pods, services = by_family(old.pod_ranges), by_family(old.service_ranges)
        new_pods, new_services = by_family(new.pod_ranges), by_family(new.service_ranges)
        self.pods_changed = [family for family in kept if pods[family] != new_pods[family]]
        # a new range that contains the old one keeps every node's range valid
        self.pods_moved = [family for family in self.pods_changed if not _holds(new_pods[family], pods[family])]
        self.services_changed = [family for family in kept if services[family] != new_services[family]]
        self.service_range = new_services[self.primary]

    @property
    def seed(self) -> str:
        """The name of the seed control plane."""
        return topology(self.new).seed.name

    @property
    def is_empty(self) -> bool:
        """Families and ranges stay."""
        return (
            self.old.families == self.new.families
            and not (self.pods_changed or self.services_changed)
            and node_mask_args(self.old) == node_mask_args(self.new)
        )

    @property
    def obstacles(self) -> list[str]:
        """Changes that no existing cluster can make, as sentences."""
        reasons = []
        before = self.old.families[0]
        if before is not self.primary:
            reasons.append(
                f"the primary family would change from {before} to {self.primary}, and with it the address of every Service, "
                "the API server's own address, etcd's, all certificates and kubeconfigs"
            )
            if self.added and before in self.new.families:
                reasons.append(f"only dual-stack with `primary_family: {before}` can be reached in place")
        elif self.primary in self.services_changed:
            reasons.append(f"the primary service range would change to {self.service_range}, and the address of a Service is immutable")
        return reasons

    @property
    def affects_all_nodes(self) -> bool:
        """All Nodes must change together: the controller manager does not start while a Node has a range outside of its arguments."""
        return bool(self.removed or self.pods_moved)

    @property
    def manager_arguments(self) -> str:
        """Arguments of the controller manager that change."""
        before, after = (
            {
                "cluster-cidr": ",".join(map(str, spec.pod_ranges)),
                "service-cluster-ip-range": ",".join(map(str, spec.service_ranges)),
                **_extra_arguments(spec, "controllerManager"),
            }
            for spec in (self.old, self.new)
        )
        return _as_arguments(before, after)

    @property
    def scheduler_arguments(self) -> str:
        """Arguments of the scheduler that change; "" for none."""
        return _as_arguments(_extra_arguments(self.old, "scheduler"), _extra_arguments(self.new, "scheduler"))

    @property
    def new_names(self) -> list[str]:
        """Names that the API server's certificate lacks."""
        existing = {*certificate_names(resolve_offline(self.old)), *map(str, UNKNOWN.values())}
        return [name for name in certificate_names(resolve_offline(self.new)) if name not in existing]

    def node_address(self, host: Host, family: Family) -> str:
        """A host's address of a family from either spec, or a placeholder in words."""
        before = next((entry.address(family) for entry in self.old.hosts if entry.name == host.name), None)
        return str(host.address(family) or before or f"<its {family} address>")

    def node_ip(self, host: Host) -> str:
        """kubelet's --node-ip."""
        return ",".join(self.node_address(host, family) for family in self.new.families)


def by_family(networks: tuple[Network, ...]) -> dict[Family, Network]:
    """The network of each family."""
    return {family_of(network): network for network in networks}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Fields of a document that change, as `name: value`; "" for none."""
    changed = [f"{name}: {value}" for name, value in after.items() if before.get(name) != value]
    return ", ".join([*changed, *(f"no {name}" for name in before if name not in after)])


def _holds(outer: Network, inner: Network) -> bool:
    return inner.network_address in outer and inner.prefixlen >= outer.prefixlen


def _extra_arguments(spec: ClusterSpec, component: str) -> dict[str, str]:
    document = cluster_configuration(resolve_offline(spec))[component]
    return {str(entry["name"]): str(entry["value"]) for entry in document["extraArgs"]}


def _as_arguments(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    changed = [f"--{name}={value}" for name, value in after.items() if before.get(name) != value]
    return ", ".join([*changed, *(f"no --{name}" for name in before if name not in after)])
