"""Two specs side by side: what comes, what goes, what moves; either may lack addresses of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.kubeadm.documents import certificate_names, cluster_configuration, node_mask_args
from cluster.plan.resolution import UNKNOWN, resolve_offline
from cluster.vocabulary.families import Family, Network, family_of
from cluster.vocabulary.spec import ClusterSpec, Host


class Difference:
    """From the cluster as it is (`was`) to the one asked for (`now`)."""

    def __init__(self, was: ClusterSpec, now: ClusterSpec) -> None:
        self.was, self.now = was, now
        self.added = next((family for family in now.families if family not in was.families), None)
        self.removed = next((family for family in was.families if family not in now.families), None)
        self.primary = now.families[0]
        kept = [family for family in now.families if family in was.families]
        pods, services = by_family(was.pod_ranges), by_family(was.service_ranges)
        new_pods, new_services = by_family(now.pod_ranges), by_family(now.service_ranges)
        self.pods_changed = [family for family in kept if pods[family] != new_pods[family]]
        # a range that holds the old one keeps every node's share valid
        self.pods_moved = [family for family in self.pods_changed if not _holds(new_pods[family], pods[family])]
        self.services_changed = [family for family in kept if services[family] != new_services[family]]
        self.service_range = new_services[self.primary]

    @property
    def none(self) -> bool:
        """Families and ranges stay."""
        return (
            self.was.families == self.now.families
            and not (self.pods_changed or self.services_changed)
            and node_mask_args(self.was) == node_mask_args(self.now)
        )

    @property
    def fixed(self) -> list[str]:
        """What no existing cluster can change, in words."""
        reasons = []
        before = self.was.families[0]
        if before is not self.primary:
            reasons.append(
                f"the primary family would change from {before} to {self.primary}, and with it every Service's address, "
                "the API server's own address, etcd's, all certificates and kubeconfigs"
            )
            if self.added and before in self.now.families:
                reasons.append(f"only dual-stack with `primary_family: {before}` can be reached in place")
        elif self.primary in self.services_changed:
            reasons.append(f"the primary service range would change to {self.service_range}, and a Service keeps its address for life")
        return reasons

    @property
    def at_once(self) -> bool:
        """The controller manager does not start while a Node has a range that its arguments do not have: all Nodes change together."""
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
            for spec in (self.was, self.now)
        )
        return _as_arguments(before, after)

    @property
    def scheduler_arguments(self) -> str:
        """Arguments of the scheduler that change; "" for none."""
        return _as_arguments(_extra_arguments(self.was, "scheduler"), _extra_arguments(self.now, "scheduler"))

    @property
    def new_names(self) -> list[str]:
        """Names that the API server's certificate lacks."""
        held = {*certificate_names(resolve_offline(self.was)), *map(str, UNKNOWN.values())}
        return [name for name in certificate_names(resolve_offline(self.now)) if name not in held]

    def node_address(self, host: Host, family: Family) -> str:
        """A host's address of a family as either spec has it, or words for it."""
        before = next((one.address(family) for one in self.was.hosts if one.name == host.name), None)
        return str(host.address(family) or before or f"<its {family} address>")

    def node_ip(self, host: Host) -> str:
        """kubelet's --node-ip."""
        return ",".join(self.node_address(host, family) for family in self.now.families)


def by_family(networks: tuple[Network, ...]) -> dict[Family, Network]:
    """One network a family."""
    return {family_of(network): network for network in networks}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Fields of a document that change, as `name: value`; "" for none."""
    changed = [f"{name}: {value}" for name, value in after.items() if before.get(name) != value]
    return ", ".join([*changed, *(f"no {name}" for name in before if name not in after)])


def _holds(outer: Network, inner: Network) -> bool:
    return inner.network_address in outer and inner.prefixlen >= outer.prefixlen


def _extra_arguments(spec: ClusterSpec, component: str) -> dict[str, str]:
    document = cluster_configuration(resolve_offline(spec))[component]
    return {str(one["name"]): str(one["value"]) for one in document["extraArgs"]}


def _as_arguments(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    changed = [f"--{name}={value}" for name, value in after.items() if before.get(name) != value]
    return ", ".join([*changed, *(f"no --{name}" for name in before if name not in after)])
