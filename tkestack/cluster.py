"""The settings of a Cluster document that are of no range and no machine."""

from __future__ import annotations

import re
from typing import Any

from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.releases import NEWEST_MINOR, OLDEST_MINOR, minor_text
from cluster.vocabulary.spec import ClusterSpec
from tkestack.arguments import read_arguments
from tkestack.documents import Resource
from tkestack.fields import Fields

_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,3})\.(\d{1,3})(.*)", re.ASCII | re.DOTALL)
_LONGEST_NAME = 40


def read_name(cluster: Resource, called: str) -> str:
    """The cluster's name: the document's, else what its machines call it (`called`), else its display name; as a cluster file takes it."""
    report, metadata = cluster.fields.report, cluster.metadata
    display = cluster.spec.text("displayName")
    written = cluster.name or called or display
    name = re.sub(r"[^a-z0-9-]+", "-", written.lower())[:_LONGEST_NAME].strip("-")
    name = name if name[:1].isalpha() else f"cluster-{name}"[:_LONGEST_NAME].rstrip("-")
    if cluster.name and name == written:
        report.taken(metadata.at("name"), "name")
    elif cluster.name:
        report.changed(metadata.at("name"), f"name: {name}", "a name has lower-case letters, digits and hyphens, and begins with a letter")
    elif called:
        report.added(f"name: {name}", "the Cluster has no name; its Machines call it so")
    elif display:
        report.changed(cluster.spec.at("displayName"), f"name: {name}", "the Cluster has no name: TKEStack's server was to make one")
    else:
        report.added(f"name: {name}", "neither the Cluster nor a Machine names it")
    report.comes_from("name", metadata.at("name"))
    return name


def read_version(spec: Fields) -> str:
    """The Kubernetes version: the document's inside the supported window, else the cluster file's own default."""
    default = str(ClusterSpec.model_fields["kubernetes_version"].default)
    written, path = spec.text("version"), spec.at("version")
    match = _VERSION.fullmatch(written)
    window = f"v{minor_text(OLDEST_MINOR)} to v{minor_text(NEWEST_MINOR)}"
    if not written:
        return default
    if match is None:
        spec.report.fault("malformed", path, "it is not a version of three numbers", f"write one such as {default}")
        return default
    numbers = tuple(int(part) for part in match.groups()[:3])
    version = ".".join(str(number) for number in numbers)
    if not OLDEST_MINOR <= numbers[:2] <= NEWEST_MINOR:
        spec.report.changed(path, f"kubernetes_version: {default}", f"v{version} is not within {window}; this is the version of the bundle")
        return default
    if match[4]:
        spec.report.changed(path, f"kubernetes_version: {version}", "the published release; TKEStack's own builds are not used")
    else:
        spec.report.taken(path, "kubernetes_version")
    spec.report.comes_from("kubernetes_version", path)
    return version


def read_settings(spec: Fields, *, version: str, cluster_has_own_names: bool) -> dict[str, Any]:
    """`control_plane` and `kubeadm` of a cluster file, where the document sets something there."""
    report, features, properties = spec.report, spec.section("features"), spec.section("properties")
    kind = spec.text("type")
    if kind == "Baremetal":
        report.taken(spec.at("type"), "hosts that are reached by SSH")
    elif kind:
        hint = "a cluster that exists already (Imported) is not made; `verify-cluster` looks at it"
        report.fault("not-baremetal", spec.at("type"), "it is not Baremetal", hint)
    _told_names(spec, own=cluster_has_own_names)
    _told_proxy_mode(features)
    kubeadm: dict[str, Any] = {}
    if (pods := properties.number("maxNodePodNum", 1, 65536)) is not None:
        kubeadm["kubelet"] = {"maxPods": pods}
        report.taken(properties.at("maxNodePodNum"), "kubeadm.kubelet.maxPods, and the IPv4 node mask")
        report.comes_from("kubeadm.kubelet.maxPods", properties.at("maxNodePodNum"))
    if arguments := read_arguments(spec, version):
        kubeadm["extra_args"] = arguments
    control_plane = {**_endpoint(features.section("ha").section("thirdParty")), **_sans(spec)}
    return {**({"control_plane": control_plane} if control_plane else {}), **({"kubeadm": kubeadm} if kubeadm else {})}


def read_dns_domain(spec: Fields) -> str:
    """network.dns_domain; "" where the document does not set it."""
    domain = spec.text("dnsDomain")
    if domain:
        spec.report.taken(spec.at("dnsDomain"), "network.dns_domain")
        spec.report.comes_from("network.dns_domain", spec.at("dnsDomain"))
    return domain


def read_interface(spec: Fields) -> str:
    """hosts[].interface; "" where the document does not set it."""
    interface = spec.text("networkDevice")
    if interface:
        why = "the link of the node addresses; take it out where that is the link of the default route"
        spec.report.changed(spec.at("networkDevice"), "hosts[].interface", why)
    return interface


def _told_names(spec: Fields, *, own: bool) -> None:
    by_host_name = spec.flag("hostnameAsNodename")
    if by_host_name is None:
        return
    path = spec.at("hostnameAsNodename")
    if by_host_name:
        spec.report.taken(path, "hosts[].name" if own else "hosts[].name, which documents lack")
    else:
        spec.report.changed(path, "hosts[].name", "a node is called by a name, never by its address; `sixstack node ADDRESS` finds it")


def _told_proxy_mode(features: Fields) -> None:
    ipvs = features.flag("ipvs")
    if ipvs is None:
        return
    before = "ipvs, which Kubernetes deprecates" if ipvs else "iptables; kubeadm.kube_proxy.mode: iptables keeps it"
    features.report.changed(features.at("ipvs"), "kube-proxy in nftables mode", f"TKEStack would take {before}")


def _endpoint(balancer: Fields) -> dict[str, str]:
    """control_plane.endpoint from a load balancer of the owner's."""
    address = balancer.text("vip")
    port = balancer.number("vport", 0, 65535)
    if not address:
        return {}
    balancer.report.taken(balancer.at("vip"), "control_plane.endpoint")
    if port is not None:
        balancer.report.taken(balancer.at("vport"), "control_plane.endpoint")
    balancer.report.comes_from("control_plane.endpoint", balancer.path)
    return {"endpoint": join_host_port(address, port) if port else address}


def _sans(spec: Fields) -> dict[str, list[str]]:
    names = []
    for index, (path, name) in enumerate(spec.texts("publicAlternativeNames")):
        names.append(name)
        spec.report.taken(path, f"control_plane.extra_sans[{index}]")
        spec.report.comes_from(f"control_plane.extra_sans[{index}]", path)
    return {"extra_sans": names} if names else {}
