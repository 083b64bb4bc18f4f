"""The settings of a Cluster document except ranges and machines."""

from __future__ import annotations

from typing import Any

from cluster.vocabulary.hostport import join_host_port
from importers.fields import Fields
from importers.names import valid_name
from importers.tkestack.arguments import read_arguments
from importers.tkestack.documents import Resource


def read_name(cluster: Resource, name_in_machines: str) -> str:
    """The cluster's name in valid form: of the document, else of its Machines (`name_in_machines`), else the display name."""
    report, metadata = cluster.fields.report, cluster.metadata
    display = cluster.spec.text("displayName")
    written = cluster.name or name_in_machines or display
    name = valid_name(written)
    if cluster.name and name == written:
        report.taken(metadata.at("name"), "name")
    elif cluster.name:
        report.changed(metadata.at("name"), f"name: {name}", "a name has lower-case letters, digits and hyphens, and starts with a letter")
    elif name_in_machines:
        report.added(f"name: {name}", "the Cluster has no name; this is the name in its Machines")
    elif display:
        report.changed(
            cluster.spec.at("displayName"), f"name: {name}", "the Cluster has no name: TKEStack's server would have generated one"
        )
    else:
        report.added(f"name: {name}", "neither the Cluster nor a Machine has the name")
    report.set_origin("name", metadata.at("name"))
    return name


def read_settings(spec: Fields, *, version: str, cluster_has_own_names: bool) -> dict[str, Any]:
    """`control_plane` and `kubeadm` of a cluster file, as far as the document sets them."""
    report, features, properties = spec.report, spec.section("features"), spec.section("properties")
    kind = spec.text("type")
    if kind == "Baremetal":
        report.taken(spec.at("type"), "hosts reached over SSH")
    elif kind:
        hint = "Import a Baremetal cluster. An existing cluster (Imported) can only be checked: use `verify-cluster`."
        report.fault("not-baremetal", spec.at("type"), "the type is not Baremetal", hint)
    _report_node_names(spec, own=cluster_has_own_names)
    _report_proxy_mode(features)
    kubeadm: dict[str, Any] = {}
    if (pods := properties.number("maxNodePodNum", 1, 65536)) is not None:
        kubeadm["kubelet"] = {"maxPods": pods}
        report.taken(properties.at("maxNodePodNum"), "kubeadm.kubelet.maxPods, and the IPv4 node mask")
        report.set_origin("kubeadm.kubelet.maxPods", properties.at("maxNodePodNum"))
    if arguments := read_arguments(spec, version):
        kubeadm["extra_args"] = arguments
    control_plane = {**_endpoint(features.section("ha").section("thirdParty")), **_sans(spec)}
    return {**({"control_plane": control_plane} if control_plane else {}), **({"kubeadm": kubeadm} if kubeadm else {})}


def read_dns_domain(spec: Fields) -> str:
    """network.dns_domain; "" where the document does not set it."""
    domain = spec.text("dnsDomain")
    if domain:
        spec.report.taken(spec.at("dnsDomain"), "network.dns_domain")
        spec.report.set_origin("network.dns_domain", spec.at("dnsDomain"))
    return domain


def read_interface(spec: Fields) -> str:
    """hosts[].interface; "" where the document does not set it."""
    interface = spec.text("networkDevice")
    if interface:
        why = "the link of the node addresses; remove the field if this is the link of the default route"
        spec.report.changed(spec.at("networkDevice"), "hosts[].interface", why)
    return interface


def _report_node_names(spec: Fields, *, own: bool) -> None:
    uses_host_names = spec.flag("hostnameAsNodename")
    if uses_host_names is None:
        return
    path = spec.at("hostnameAsNodename")
    if uses_host_names:
        spec.report.taken(path, "hosts[].name" if own else "hosts[].name, which documents do not have")
    else:
        spec.report.changed(path, "hosts[].name", "a node has a name, never an address as its name; `sixstack node ADDRESS` finds the node")


def _report_proxy_mode(features: Fields) -> None:
    ipvs = features.flag("ipvs")
    if ipvs is None:
        return
    before = "ipvs, which Kubernetes deprecates" if ipvs else "iptables; write kubeadm.kube_proxy.mode: iptables to keep it"
    features.report.changed(features.at("ipvs"), "kube-proxy in nftables mode", f"TKEStack would use {before}")


def _endpoint(balancer: Fields) -> dict[str, str]:
    """control_plane.endpoint from the owner's load balancer."""
    address = balancer.text("vip")
    port = balancer.number("vport", 0, 65535)
    if not address:
        return {}
    balancer.report.taken(balancer.at("vip"), "control_plane.endpoint")
    if port is not None:
        balancer.report.taken(balancer.at("vport"), "control_plane.endpoint")
    balancer.report.set_origin("control_plane.endpoint", balancer.path)
    return {"endpoint": join_host_port(address, port) if port else address}


def _sans(spec: Fields) -> dict[str, list[str]]:
    names = []
    for index, (path, name) in enumerate(spec.texts("publicAlternativeNames")):
        names.append(name)
        spec.report.taken(path, f"control_plane.extra_sans[{index}]")
        spec.report.set_origin(f"control_plane.extra_sans[{index}]", path)
    return {"extra_sans": names} if names else {}
