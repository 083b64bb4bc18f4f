"""Settings that cannot change on an existing cluster (problem immutable-field). A file with such a change is refused before any host is changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cluster.kubeadm.documents import node_mask_args
from cluster.plan.existing import ExistingCluster, known_bind_port, known_endpoint
from cluster.pod_networks.plugins import POD_NETWORKS, pod_network
from cluster.vocabulary.families import Family, Network, family_of
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec, Role

CODE = "immutable-field"
UPGRADE_NEEDED = "upgrade-needed"
RECREATE_HINT = "Write the old value, or delete the cluster (delete-cluster) and create it again."


@dataclass(frozen=True, slots=True)
class ImmutableSetting:
    """A setting in which the file differs from the cluster."""

    path: str
    current: str
    wanted: str
    message: str
    hint: str
    code: str = CODE

    @property
    def problem(self) -> Problem:
        """Why create-cluster refuses the file."""
        return Problem(self.code, self.path, self.message, self.hint)


def immutable_changes(spec: ClusterSpec, existing: ExistingCluster, *, upgrades: bool = False) -> tuple[Problem, ...]:
    """A problem for each immutable setting in which `spec` differs from the existing cluster; no problems without a cluster.

    `upgrades`: the version may change.
    """
    return tuple(setting.problem for setting in immutable_settings(spec, existing) if not (upgrades and setting.code == UPGRADE_NEEDED))


def immutable_settings(spec: ClusterSpec, existing: ExistingCluster) -> tuple[ImmutableSetting, ...]:
    """The immutable settings in which `spec` differs from the existing cluster; () without a cluster."""
    return (
        *_name(spec, existing),
        *_networks(spec, existing),
        *_control_plane(spec, existing),
        *_version(spec, existing),
        *_hosts(spec, existing),
        *_cni(spec, existing),
        *_block_sizes(spec, existing),
    )


def _name(spec: ClusterSpec, existing: ExistingCluster) -> Iterator[ImmutableSetting]:
    if existing.name != spec.name:
        yield _changed("name", existing.name, spec.name)


def _networks(spec: ClusterSpec, existing: ExistingCluster) -> Iterator[ImmutableSetting]:
    families = existing.families
    if families and families != spec.families:
        if set(families) == set(spec.families):
            yield _changed("primary_family", families[0].value, spec.families[0].value)
        else:
            yield _changed("stack", _stack(families), spec.stack.value)
    yield from _same_ranges("network/pods", existing.pods, spec.pod_ranges)
    yield from _same_ranges("network/services", existing.services, spec.service_ranges)
    for name, mask in node_mask_args(spec).items():
        if (current := existing.node_masks.get(name)) is not None and current != mask:
            yield _changed("network/pods", f"a node mask of /{current}", f"/{mask}")
    if existing.dns_domain and existing.dns_domain != spec.network.dns_domain:
        yield _changed("network/dns_domain", existing.dns_domain, spec.network.dns_domain)


def _control_plane(spec: ClusterSpec, existing: ExistingCluster) -> Iterator[ImmutableSetting]:
    endpoint = known_endpoint(spec)
    if existing.endpoint and endpoint and existing.endpoint != endpoint:
        yield _changed("control_plane/endpoint", existing.endpoint, endpoint)
    bind_port = known_bind_port(spec)
    if existing.bind_port and bind_port and existing.bind_port != bind_port:
        yield _changed("control_plane/bind_port", f"an API server on port {existing.bind_port}", f"port {bind_port}")


def _version(spec: ClusterSpec, existing: ExistingCluster) -> Iterator[ImmutableSetting]:
    """Also in the middle of an upgrade: to install the programs of another version would be one, without a drain."""
    if existing.version and existing.version != spec.version:
        current, found = existing.version, f"the cluster runs {existing.version}, the file has {spec.version}"
    elif others := sorted(name for name, version in existing.kubelets.items() if version and version != spec.version):
        current = _listed(f"the kubelet of {name} {existing.kubelets[name]}" for name in others)
        found = f"the file has {spec.version}, {current}"
    else:
        return
    older = (existing.version or spec.version).removeprefix("v")
    hint = (
        f"create-cluster does not change versions: run `sixstack upgrade {spec.name}` (upgrade-cluster), "
        f'or write kubernetes_version: "{older}".'
    )
    yield ImmutableSetting("kubernetes_version", current, spec.version, found, hint, UPGRADE_NEEDED)


def _hosts(spec: ClusterSpec, existing: ExistingCluster) -> Iterator[ImmutableSetting]:
    for host in spec.hosts:
        path = f"hosts/{host.name}"
        role = existing.roles.get(host.name)
        if role is not None and role is not host.role:
            yield _changed(f"{path}/role", role.value, host.role.value)
        addresses = existing.addresses.get(host.name)
        if addresses and host.addresses and addresses != host.addresses:
            yield _changed(f"{path}/addresses", _listed(addresses), _listed(host.addresses))
        for node, node_addresses in existing.nodes.items():
            if node != host.name and set(node_addresses) & set(host.addresses):
                yield _changed(f"{path}/name", node, host.name)
    names = {host.name for host in spec.hosts}
    for name, existing_role in existing.roles.items():
        if existing_role is Role.CONTROL_PLANE and name not in names:
            yield _changed(f"hosts/{name}", "its control plane on this host", "no such host")


def _cni(spec: ClusterSpec, existing: ExistingCluster) -> Iterator[ImmutableSetting]:
    if existing.cni is None or existing.cni is spec.cni.kind:
        return
    if POD_NETWORKS[existing.cni].installed:
        yield _changed("cni/kind", existing.cni.value, spec.cni.kind.value)
    else:
        yield ImmutableSetting(
            "cni/kind",
            existing.cni_detail,
            spec.cni.kind.value,
            f"the cluster has a pod network, {existing.cni_detail}; the file has {spec.cni.kind.value}",
            "Write `cni: {kind: none}`: two pod networks conflict.",
        )


def _block_sizes(spec: ClusterSpec, existing: ExistingCluster) -> Iterator[ImmutableSetting]:
    for cidr, wanted in pod_network(spec).block_sizes(spec).items():
        if existing.block_sizes.get(cidr, wanted) != wanted:
            yield _changed(f"cni/pools/{family_of(cidr).value}/block_size", f"blocks of /{existing.block_sizes[cidr]}", f"/{wanted}")


def _same_ranges(path: str, current: Sequence[Network], wanted: Sequence[Network]) -> Iterator[ImmutableSetting]:
    """Compare ranges of the same family; a change of families is reported separately."""
    by_family = {family_of(network): network for network in current}
    for network in wanted:
        existing = by_family.get(family_of(network))
        if existing is not None and existing != network:
            yield _changed(path, str(existing), str(network))


def _stack(families: Sequence[Family]) -> str:
    return "dual-stack" if len(families) > 1 else families[0].value


def _changed(path: str, current: str, wanted: str) -> ImmutableSetting:
    return ImmutableSetting(path, current, wanted, f"the cluster has {current}, the file has {wanted}", RECREATE_HINT)


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
