"""Rule 27: what cannot be changed on an existing cluster. A file that asks for it is refused before any host is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from cluster.facts import HostFacts
from cluster.families import Family, Network, family_of
from cluster.kubeadm import control_plane_endpoint, node_mask_args
from cluster.problems import Problem
from cluster.spec import ClusterSpec, CniKind, Role
from cluster.state import ClusterState

CODE = "immutable-field"
REMAKE = "put the old value back, or delete the cluster (delete-cluster) and create it anew"


def immutable_changes(spec: ClusterSpec, facts: Mapping[str, HostFacts], state: ClusterState | None) -> tuple[Problem, ...]:
    """What `spec` would change that can't be: against the static pods on the control plane's disk and the API's state, if known.

    Hosts of other clusters are not looked at (other rules refuse them); no cluster yet: no problems.
    """
    ours = {name: found for name, found in facts.items() if found.owner == spec.name and found.kubernetes.present}
    kubeadm = state.kubeadm if state else {}
    return (
        *_networks(spec, ours, kubeadm),
        *_control_plane(spec, kubeadm),
        *_hosts(spec, ours, state),
        *(_cni(spec, state) if state else ()),
    )


def _networks(spec: ClusterSpec, facts: Mapping[str, HostFacts], kubeadm: Mapping[str, Any]) -> Iterator[Problem]:
    control_plane = facts.get(spec.control_planes[0].name)
    networking = kubeadm.get("networking", {})
    services = _ranges(networking.get("serviceSubnet")) or (control_plane.kubernetes.service_ranges if control_plane else ())
    pods = _ranges(networking.get("podSubnet")) or (control_plane.kubernetes.pod_ranges if control_plane else ())
    families = tuple(family_of(network) for network in services or pods)
    if families and families != spec.families:
        if set(families) == set(spec.families):
            yield _changed("primary_family", families[0].value, spec.families[0].value)
        else:
            yield _changed("stack", _stack(families), spec.stack.value)
    yield from _same_ranges("network/pods", pods, spec.pod_ranges)
    yield from _same_ranges("network/services", services, spec.service_ranges)

    arguments = {argument["name"]: argument["value"] for argument in kubeadm.get("controllerManager", {}).get("extraArgs") or []}
    for name, mask in node_mask_args(spec).items():
        if name in arguments and str(arguments[name]) != mask:
            yield _changed("network/pods", f"a node mask of /{arguments[name]}", f"/{mask}")

    domain = networking.get("dnsDomain") or (control_plane.kubernetes.dns_domain if control_plane else None)
    if domain and domain != spec.network.dns_domain:
        yield _changed("network/dns_domain", domain, spec.network.dns_domain)


def _control_plane(spec: ClusterSpec, kubeadm: Mapping[str, Any]) -> Iterator[Problem]:
    endpoint = kubeadm.get("controlPlaneEndpoint")
    if endpoint and endpoint != control_plane_endpoint(spec):
        yield _changed("control_plane/endpoint", endpoint, control_plane_endpoint(spec))
    version = kubeadm.get("kubernetesVersion")
    if version and version != spec.version:
        yield Problem(
            CODE,
            "kubernetes_version",
            f"the cluster runs {version}, the file says {spec.version}",
            f"write {version.removeprefix('v')}: create-cluster does not upgrade",
        )


def _hosts(spec: ClusterSpec, facts: Mapping[str, HostFacts], state: ClusterState | None) -> Iterator[Problem]:
    for host in spec.hosts:
        path = f"hosts/{host.name}"
        found = facts.get(host.name)
        if found is not None and found.kubernetes.kubelet_config:
            was = Role.CONTROL_PLANE if found.kubernetes.api_manifest else Role.WORKER
            if was is not host.role:
                yield _changed(f"{path}/role", was.value, host.role.value)
            if found.kubernetes.node_ips and found.kubernetes.node_ips != host.addresses:
                yield _changed(f"{path}/addresses", _listed(found.kubernetes.node_ips), _listed(host.addresses))
        for node in state.nodes if state else ():
            if node.name != host.name and set(node.addresses) & set(host.addresses):
                yield _changed(f"{path}/name", node.name, host.name)


def _cni(spec: ClusterSpec, state: ClusterState) -> Iterator[Problem]:
    if state.cni is CniKind.FLANNEL and spec.cni.kind is CniKind.NONE:
        yield _changed("cni/kind", CniKind.FLANNEL.value, CniKind.NONE.value)
    elif state.cni is CniKind.NONE and spec.cni.kind is not CniKind.NONE:
        yield Problem(
            CODE,
            "cni/kind",
            f"the cluster has a pod network already, {state.cni_detail}; the file says {spec.cni.kind.value}",
            "write `cni: {kind: none}`: two pod networks break each other",
        )


def _same_ranges(path: str, held: Sequence[Network], wanted: Sequence[Network]) -> Iterator[Problem]:
    """Compares family by family: a change of families is told once, as such."""
    by_family = {family_of(network): network for network in held}
    for network in wanted:
        was = by_family.get(family_of(network))
        if was is not None and was != network:
            yield _changed(path, str(was), str(network))


def _ranges(text: str | None) -> tuple[Network, ...]:
    return tuple(ip_network(part) for part in text.split(",")) if text else ()


def _stack(families: Sequence[Family]) -> str:
    return "dual-stack" if len(families) > 1 else families[0].value


def _changed(path: str, was: str, asked: str) -> Problem:
    return Problem(CODE, path, f"the cluster has {was}, the file says {asked}", REMAKE)


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
