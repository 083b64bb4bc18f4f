"""Stack mode, ranges and node masks from clusterCIDR and serviceCIDR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from cluster.file.literals import read_network
from cluster.vocabulary.families import Family, Network, StackMode, family_of
from cluster.vocabulary.spec import PodNetwork
from importers.fields import Fields

# TKEStack's defaults where a document names no serviceCIDR
_SERVICES = 256
_PODS = 256
# room for more nodes: node masks cannot be changed later
_LEAST_ROOM = 16
_LONGEST_MASK = {Family.IPV4: 28, Family.IPV6: 124}


@dataclass(frozen=True, slots=True)
class Ranges:
    """The families and ranges of the documents, primary family first."""

    families: tuple[Family, ...]
    pods: tuple[PodNetwork, ...]
    services: tuple[Network, ...]

    @property
    def stack(self) -> StackMode:
        """The stack mode of these families."""
        return StackMode.DUAL_STACK if len(self.families) == 2 else StackMode(self.families[0].value)

    def as_document(self) -> dict[str, Any]:
        """`stack`, `primary_family` and `network` of a cluster file."""
        primary = {"primary_family": self.families[0].value} if len(self.families) == 2 else {}
        pods = [{"cidr": str(pods.cidr)} | ({"node_mask": pods.node_mask} if pods.node_mask is not None else {}) for pods in self.pods]
        return {"stack": self.stack.value, **primary, "network": {"pods": pods, "services": [str(services) for services in self.services]}}


def read_ranges(spec: Fields, hosts: int) -> Ranges | None:
    """The ranges of a Cluster's spec for that many hosts; None if they have errors."""
    dual = spec.section("features").flag("ipv6DualStack")
    wanted_pods, wanted_services = _sizes(spec)
    given = _given(spec, wanted_services)
    if given is None or not _agree(spec, *given, dual):
        return None
    pods, services = given
    families = tuple(family_of(network) for network in services)
    masked = tuple(_masked(spec, network, hosts, wanted_pods) for network in _ordered(spec, pods, families))
    for index in range(len(families)):
        spec.report.set_origin(f"network.pods[{index}]", spec.at("clusterCIDR"))
        spec.report.set_origin(f"network.services[{index}]", spec.at("serviceCIDR" if spec.value("serviceCIDR") else "clusterCIDR"))
    ranges = Ranges(families, masked, services)
    if dual is not None:
        spec.report.taken(spec.section("features").at("ipv6DualStack"), f"stack: {ranges.stack}")
    return ranges


def _given(spec: Fields, services_wanted: int) -> tuple[tuple[Network, ...], tuple[Network, ...]] | None:
    """Pod and service ranges as the document has them; services are taken from the pod ranges if it has none."""
    pods, services = _networks(spec, "clusterCIDR"), _networks(spec, "serviceCIDR")
    if not spec.value("clusterCIDR"):
        hint = "Write the range of the pods, such as 10.244.0.0/16, or one range of each family, separated by a comma."
        spec.report.fault("missing-field", spec.at("clusterCIDR"), "clusterCIDR is missing", hint)
    if pods is None:
        return None
    if not spec.value("serviceCIDR"):
        return _halved(spec, pods, services_wanted)
    return (pods, services) if services is not None else None


def _ordered(spec: Fields, pods: tuple[Network, ...], families: tuple[Family, ...]) -> tuple[Network, ...]:
    """The pod ranges in the order of these families."""
    path = spec.at("clusterCIDR")
    if tuple(family_of(network) for network in pods) == families:
        if not spec.report.is_reported(path):
            spec.report.taken(path, f"network.pods: {_listed(pods)}")
        return pods
    ordered = tuple(reversed(pods))
    why = "the first family of serviceCIDR is the family of the API server's address (kubeadm#2754), and the pod ranges have the same order"
    spec.report.changed(path, f"network.pods: {_listed(ordered)}", why)
    return ordered


def _networks(spec: Fields, name: str) -> tuple[Network, ...] | None:
    """The one or two networks of a field; None if absent or invalid."""
    found: list[Network] = []
    text = spec.text(name)
    if not text:
        return None
    for part in text.split(","):
        network, fault = read_network(part.strip())
        if network is not None and fault is not None:
            spec.report.changed(spec.at(name), str(network), f"{part.strip()} has host bits set")
        elif fault is not None:
            spec.report.fault(fault.code, spec.at(name), fault.message, fault.hint)
        if network is not None:
            found.append(network)
    if len(found) != len(text.split(",")):
        return None
    if len({network.version for network in found}) != len(found):
        hint = "Write one range, or one IPv4 range and one IPv6 range."
        spec.report.fault("range-families", spec.at(name), f"{_listed(found)}: {len(found)} ranges, expected one per family", hint)
        return None
    if name == "serviceCIDR" and not spec.report.is_reported(spec.at(name)):
        spec.report.taken(spec.at(name), f"network.services: {_listed(found)}")
    return tuple(found)


def _sizes(spec: Fields) -> tuple[int | None, int]:
    """The number of pods per node, if set, and the number of services."""
    properties = spec.section("properties")
    pods = properties.number("maxNodePodNum", 1, 65536)
    services = properties.number("maxClusterServiceNum", 1, 2**20)
    if services is not None and spec.value("serviceCIDR"):
        spec.report.not_taken(properties.at("maxClusterServiceNum"), "serviceCIDR limits the number of services")
    elif services is not None:
        spec.report.taken(properties.at("maxClusterServiceNum"), "network.services")
    return pods, services or _SERVICES


def _halved(spec: Fields, pods: Sequence[Network], services: int) -> tuple[tuple[Network, ...], tuple[Network, ...]] | None:
    """Pods in the first half of each range and services at its end; None if a range is too small."""
    halves: list[Network] = []
    ends: list[Network] = []
    for network in pods:
        bits = max(4, (services - 1).bit_length())
        if network.version == 6:
            bits = max(bits, 16)  # /112, as Kubernetes recommends
        prefix = network.max_prefixlen - bits
        if network.prefixlen + 1 > prefix:
            hint = "Write a serviceCIDR, or a larger clusterCIDR."
            spec.report.fault("range-too-small", spec.at("clusterCIDR"), f"{network} is too small for pods and {services} services", hint)
            return None
        halves.append(ip_network((network.network_address, network.prefixlen + 1)))
        last = network.network_address + (network.num_addresses - 2**bits)
        ends.append(ip_network((last, prefix)))
    why = "there is no serviceCIDR: TKEStack takes services from the end of the pod range, and a cluster file has separate ranges"
    spec.report.changed(spec.at("clusterCIDR"), f"network.pods: {_listed(halves)}, network.services: {_listed(ends)}", why)
    return tuple(halves), tuple(ends)


def _agree(spec: Fields, pods: Sequence[Network], services: Sequence[Network], dual: bool | None) -> bool:
    """Pods and services have the same families, and ipv6DualStack agrees."""
    report = spec.report
    if {network.version for network in pods} != {network.version for network in services}:
        message = f"services have {_listed(services)}, pods have {_listed(pods)}: the families differ"
        report.fault("range-families", spec.at("serviceCIDR"), message, "Write ranges of the same families in both.")
        return False
    if dual and len(pods) == 1:
        message = f"features.ipv6DualStack is true but {pods[0]} is the only range"
        report.fault("range-families", spec.at("clusterCIDR"), message, "Add a range of the other family, here and to serviceCIDR.")
        return False
    if dual is False and len(pods) == 2:
        message = f"features.ipv6DualStack is false but there are ranges of both families: {_listed(pods)}"
        report.fault(
            "range-families", spec.at("clusterCIDR"), message, "Keep one range, here and in serviceCIDR, or set ipv6DualStack to true."
        )
        return False
    return True


def _masked(spec: Fields, cidr: Network, hosts: int, wanted_pods: int | None) -> PodNetwork:
    """The pod range with a node mask that has a range for every host and for more hosts."""
    plain = PodNetwork(cidr=cidr)
    number = spec.section("properties").at("maxNodePodNum")
    if cidr.version == 4 and wanted_pods is not None:
        mask = 32 - max(4, (wanted_pods - 1).bit_length())
        if cidr.prefixlen <= mask <= cidr.prefixlen + 16 and 2 ** (mask - cidr.prefixlen) >= hosts:
            return PodNetwork(cidr=cidr, node_mask=mask) if mask != plain.mask else plain
        room = "has room for fewer hosts" if mask <= cidr.prefixlen + 16 else "is more than 16 bits longer than the range"
        why = f"{number}: {wanted_pods} pods per node need a node mask of /{mask}, which {room}"
    elif plain.mask >= cidr.prefixlen + 4 and plain.node_ranges >= 2 * hosts and plain.mask <= cidr.prefixlen + 16:
        return plain
    elif plain.mask > cidr.prefixlen + 16:
        why = f"the default node mask /{plain.mask} is more than 16 bits longer than the range, which kube-controller-manager refuses"
    else:
        count = (
            f"{plain.node_ranges} node ranges"
            if plain.node_ranges > 1
            else "one node range"
            if plain.mask >= cidr.prefixlen
            else "no node range"
        )
        why = f"with the default node mask /{plain.mask} the range has {count}; the documents have {hosts} host{'s' if hosts > 1 else ''}, and the mask cannot be changed later"
    longer = max((max(_LEAST_ROOM, 2 * hosts) - 1).bit_length(), 8 if cidr.version == 6 else 4)
    if plain.mask > cidr.prefixlen + 16:
        longer = 16
    mask = min(cidr.prefixlen + longer, _LONGEST_MASK[family_of(cidr)])
    spec.report.added(f"network.pods: node_mask {mask} of {cidr}", why)
    return PodNetwork(cidr=cidr, node_mask=mask)


def _listed(networks: Sequence[Network]) -> str:
    return ", ".join(str(network) for network in networks)
