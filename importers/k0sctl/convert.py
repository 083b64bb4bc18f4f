"""Converts a file of k0sctl into a cluster file and a report of every field. Never raises."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cluster.file.literals import read_address
from cluster.rules.labels import label_owner, taint_owner
from cluster.rules.names import is_node_name
from cluster.vocabulary.families import Family, Network, family_of
from cluster.vocabulary.hostport import join_host_port
from importers.choices import Choices
from importers.fields import Fields
from importers.imported import Imported, imported
from importers.k0sctl.not_taken import reason
from importers.names import valid_name
from importers.ranges import read_range
from importers.report import Report
from importers.sources import Source, read_documents
from importers.unread import report_unread
from importers.versions import read_version

API = "k0sctl.k0sproject.io/v1beta1"
CONFIG_API = "k0s.k0sproject.io/v1beta1"
# the codes of problems that only this import reports; docs/reference/problems.md lists them
FAULTS = {
    "k0sctl-kind": "A document is neither a Cluster of k0sctl nor a ClusterConfig of k0s, or there are two of one kind.",
    "no-k0sctl-cluster": "No document is a Cluster of k0sctl.",
    "no-ssh": "A host of k0sctl is not reached over SSH.",
    "environment-variable": "A string contains an environment variable, which is not expanded.",
}
_ROLES = {"controller": "control-plane", "controller+worker": "control-plane", "single": "control-plane", "worker": "worker"}
_VARIABLE = re.compile(r"\$(\w|\{)")
# the defaults of k0s
_PODS, _SERVICES = "10.244.0.0/16", "10.96.0.0/12"
_POD_NETWORKS = {"calico": "calico", "custom": "none"}


def import_k0sctl(sources: Sequence[Source], choices: Choices) -> Imported:
    """All errors of all files at once, or a cluster file and its problems as from `sixstack check`."""
    report, lines = Report(), dict[str, int]()
    clusters, configs, every = _documents(sources, report, lines)
    if not clusters:
        report.fault("no-k0sctl-cluster", "documents", f"no document is a Cluster of {API}", "Pass the file of k0sctl.")
    cluster = clusters[0] if clusters else Fields({}, "", report)
    spec = cluster.section("spec")
    config = configs[0] if configs else spec.section("k0s").section("config")
    document = _cluster_document(cluster, spec, config.section("spec"), choices, report)
    for path, data in every:
        report_unread(data, path, report, reason)
    return imported(document, (), report, lines)


def _documents(
    sources: Sequence[Source], report: Report, lines: dict[str, int]
) -> tuple[list[Fields], list[Fields], list[tuple[str, object]]]:
    clusters: list[Fields] = []
    configs: list[Fields] = []
    every: list[tuple[str, object]] = []
    for source in sources:
        for path, data in read_documents(source, report, lines):
            fields = Fields(data if isinstance(data, dict) else {}, path, report)
            kinds = {(API, "Cluster"): clusters, (CONFIG_API, "ClusterConfig"): configs}
            found = kinds.get((fields.text("apiVersion"), fields.text("kind")))
            if found is None or found:
                hint = f"Pass one Cluster of {API}, and at most one ClusterConfig of {CONFIG_API}."
                report.fault("k0sctl-kind", path.removesuffix(": "), "this document is of another kind, or a second one of its kind", hint)
                continue
            found.append(fields)
            every.append((path, data))
            for name in ("apiVersion", "kind"):
                report.taken(fields.at(name), "a cluster file")
    return clusters, configs, every


def _cluster_document(cluster: Fields, spec: Fields, config: Fields, choices: Choices, report: Report) -> dict[str, Any]:
    metadata, network, api = cluster.section("metadata"), config.section("network"), config.section("api")
    written = _text(metadata, "name")
    name = valid_name(written or "k0s-cluster")
    if not written:
        report.added(f"name: {name}", "metadata.name is not set; this is k0sctl's default")
    elif name == written:
        report.taken(metadata.at("name"), "name")
    else:
        report.changed(metadata.at("name"), f"name: {name}", "a name has lower-case letters, digits and hyphens, and starts with a letter")
    report.set_origin("name", metadata.at("name"))
    listed = list(spec.sections("hosts"))
    if not listed:
        report.fault("missing-field", spec.at("hosts"), "there are no hosts", "Write at least the host of the control plane.")
    families, ranges = _ranges(network, report)
    hosts = [host for number, fields in enumerate(listed) if (host := _host(fields, number, name, families, choices, report)) is not None]
    k0s = spec.section("k0s")
    document: dict[str, Any] = {
        "name": name,
        "kubernetes_version": read_version(_text(k0s, "version"), k0s.at("version"), report, builds="k0s's"),
        "stack": "dual-stack" if len(families) == 2 else families[0].value,
        **({"primary_family": families[0].value} if len(families) == 2 else {}),
        # a cluster file begins with the control plane
        "hosts": sorted(hosts, key=lambda host: str(host["role"])),
        "network": ranges,
        "cni": {"kind": _pod_network(network, choices, report)},
    }
    if domain := _text(network, "clusterDomain"):
        document["network"]["dns_domain"] = domain
        report.taken(network.at("clusterDomain"), "network.dns_domain")
    if control_plane := _control_plane(api):
        document["control_plane"] = control_plane
    if mode := _proxy_mode(network.section("kubeProxy")):
        document["kubeadm"] = {"kube_proxy": {"mode": mode}}
    return document


def _text(fields: Fields, name: str) -> str:
    """A string; a fault when k0sctl would expand an environment variable in it."""
    text = fields.text(name)
    if _VARIABLE.search(text):
        fields.report.fault(
            "environment-variable", fields.at(name), "the value has an environment variable, which is not expanded", "Write its value."
        )
        return ""
    return text


def _host(
    fields: Fields, index: int, cluster: str, families: tuple[Family, ...], choices: Choices, report: Report
) -> dict[str, Any] | None:
    at = f"hosts[{index}]"
    role = _text(fields, "role")
    if role not in _ROLES:
        report.fault("not-in-choices", fields.at("role"), "not a role of k0sctl", f"Write {', '.join(_ROLES)}.")
    elif role in ("controller+worker", "single"):
        why = "a control plane keeps kubeadm's taint; `kubectl taint nodes NAME node-role.kubernetes.io/control-plane-` removes it"
        report.changed(fields.at("role"), f"{at}.role: control-plane", why)
    else:
        report.taken(fields.at("role"), f"{at}.role")
    login = fields.section("ssh") if fields.value("ssh") else fields.section("openSSH")
    if not login.data:
        report.fault("no-ssh", fields.path, "the host has no `ssh`", "Write the address of its sshd. Hosts without SSH cannot be imported.")
        return None
    ssh = _endpoint(login, f"{at}.ssh", choices, report)
    if login.value("bastion"):
        ssh["jump"] = _endpoint(login.section("bastion"), f"{at}.ssh.jump", choices, report)
    address, fault = read_address(ssh["address"])
    hostname = _text(fields, "hostname")
    chosen = choices.names.get(address) if fault is None and address is not None else None
    name = chosen or (hostname.lower() if is_node_name(hostname.lower()) else f"{cluster}-{index + 1}")
    if hostname and name == hostname:
        report.taken(fields.at("hostname"), f"{at}.name")
    elif hostname:
        report.changed(
            fields.at("hostname"),
            f"{at}.name: {name}",
            "--name sets another name" if chosen else "the name of a node is in lower-case letters",
        )
    elif not chosen:
        report.added(f"{at}.name: {name}", "the host has no hostname; --name ADDRESS=NAME sets one")
    host: dict[str, Any] = {"name": name, "role": _ROLES.get(role, "worker"), "ssh": ssh}
    report.set_origin(at, fields.path)
    host |= _node_address(fields, at, families, report)
    if interface := _text(fields, "privateInterface"):
        host["interface"] = interface
        report.taken(fields.at("privateInterface"), f"{at}.interface")
    return host | _install_flags(fields, at, report)


def _endpoint(login: Fields, at: str, choices: Choices, report: Report) -> dict[str, Any]:
    address, port, user = _text(login, "address"), login.number("port", 1, 65535), _text(login, "user")
    if address:
        report.taken(login.at("address"), f"{at}.address")
    elif not report.is_reported(login.at("address")):
        report.fault("missing-field", login.at("address"), "address is missing", "Write the address of sshd on this machine.")
    for name, value in (("port", port), ("user", user)):
        if value:
            report.taken(login.at(name), f"{at}.{name}")
    report.added(f"{at}.credential: default", "the file names keys and has none; `sixstack credential add default --key FILE` saves a key")
    endpoint: dict[str, Any] = {
        "address": address,
        **({"port": port} if port not in (None, 22) else {}),
        "user": user or "root",
        "credential": "default",
    }
    if key := choices.host_key(address, port or 22):
        endpoint["host_key"] = key
    return endpoint


def _node_address(fields: Fields, at: str, families: tuple[Family, ...], report: Report) -> dict[str, Any]:
    text = _text(fields, "privateAddress")
    if not text:
        return {}
    address, fault = read_address(text)
    if address is None or fault is not None:
        report.fault(
            "not-an-address", fields.at("privateAddress"), "not an IP address", "Write an address such as 198.18.0.11 or fd66::11."
        )
    elif families == (family_of(address),):
        report.taken(fields.at("privateAddress"), f"{at}.addresses")
        return {"addresses": [str(address)]}
    else:
        why = "the file needs an address of each family or none, and the addresses of the node are read from the host"
        report.not_taken(fields.at("privateAddress"), why)
    return {}


def _install_flags(fields: Fields, at: str, report: Report) -> dict[str, Any]:
    """--labels and --taints of `k0s install`."""
    labels: dict[str, str] = {}
    taints: list[dict[str, str]] = []
    for path, flag in fields.texts("installFlags"):
        name, _, value = flag.partition("=")
        parts = [part for part in value.strip("\"'").split(",") if part]
        if name == "--labels" and all(label_owner(part.partition("=")[0]) is None for part in parts):
            labels |= {key: text for key, _, text in (part.partition("=") for part in parts)}
            report.taken(path, f"{at}.labels")
        elif name == "--taints" and all(taint_owner(part.partition("=")[0].partition(":")[0]) is None for part in parts):
            for pair, _, effect in (part.rpartition(":") for part in parts):
                key, _, text = pair.partition("=")
                taints.append({"key": key, **({"value": text} if text else {}), "effect": effect})
            report.taken(path, f"{at}.taints")
        else:
            report.not_taken(path, "a flag of `k0s install`")
    return {**({"labels": labels} if labels else {}), **({"taints": taints} if taints else {})}


def _ranges(network: Fields, report: Report) -> tuple[tuple[Family, ...], dict[str, Any]]:
    """Families, and pod and service ranges. Without dual-stack the family is that of podCIDR."""
    dual = network.section("dualStack")
    second = dual.flag("enabled") is True
    if dual.value("enabled") is not None:
        report.taken(dual.at("enabled"), "stack")
    pairs: list[tuple[Network | None, Network | None]] = [
        (_range(network, "podCIDR", _PODS, "network.pods[0].cidr"), _range(network, "serviceCIDR", _SERVICES, "network.services[0]"))
    ]
    if second:
        pairs.append((_range(dual, "IPv6podCIDR", "", "network.pods[1].cidr"), _range(dual, "IPv6serviceCIDR", "", "network.services[1]")))
    primary = _text(network, "primaryAddressFamily").lower()
    if primary and second:
        report.taken(network.at("primaryAddressFamily"), "primary_family")
        if primary == "ipv6":
            pairs.reverse()
    pods = [pod for pod, _ in pairs if pod is not None]
    services = [service for _, service in pairs if service is not None]
    families = tuple(dict.fromkeys(map(family_of, pods))) or (Family.IPV4,)
    return families, {"pods": [_pod(pod, report) for pod in pods], "services": [str(service) for service in services]}


def _range(fields: Fields, name: str, default: str, to: str) -> Network | None:
    text = _text(fields, name)
    if not text and not default:
        fields.report.fault("missing-field", fields.at(name), f"{name} is missing", "Write a range such as fd44::/56.")
        return None
    if not text:
        fields.report.added(f"{to}: {default}", f"k0s's default, because {name} has no value here")
    return read_range(fields.report if text else Report(), fields.at(name), text or default, to)


def _pod(cidr: Network, report: Report) -> dict[str, Any]:
    """The pod range with the node mask of k0s: 24 for IPv4, and 117 for IPv6."""
    if cidr.version == 4:
        return {"cidr": str(cidr)}
    mask = 117 if cidr.prefixlen < 117 and 117 - cidr.prefixlen <= 16 else min(cidr.prefixlen + 8, 124)
    report.added(
        f"network.pods: node_mask {mask} of {cidr}", "the mask cannot be changed later; k0s's is 117, at most 16 bits longer than the range"
    )
    return {"cidr": str(cidr), "node_mask": mask}


def _pod_network(network: Fields, choices: Choices, report: Report) -> str:
    written = _text(network, "provider")
    if choices.pod_network is not None:
        kind, why = choices.pod_network, "--cni sets the pod network"
    elif written in _POD_NETWORKS:
        kind, why = _POD_NETWORKS[written], "install your plug-in yourself, with cni.kind manifests or after the cluster is created"
    else:
        kind, why = "flannel", "sixstack has no kube-router, k0s's default; --cni sets another pod network"
    if not written:
        report.added(f"cni.kind: {kind}", why)
    elif kind == written:
        report.taken(network.at("provider"), "cni.kind")
    else:
        report.changed(network.at("provider"), f"cni.kind: {kind}", why)
    return kind


def _control_plane(api: Fields) -> dict[str, Any]:
    report, found = api.report, dict[str, Any]()
    address, port = _text(api, "externalAddress"), api.number("port", 1, 65535)
    if port is not None:
        report.taken(api.at("port"), "control_plane.bind_port")
        if port != 6443:
            found["bind_port"] = port
    if address:
        found["endpoint"] = join_host_port(address, port) if port is not None else address
        report.taken(api.at("externalAddress"), "control_plane.endpoint")
        report.set_origin("control_plane.endpoint", api.at("externalAddress"))
    names = []
    for path, name in api.texts("sans"):
        names.append(name)
        report.taken(path, f"control_plane.extra_sans[{len(names) - 1}]")
        report.set_origin(f"control_plane.extra_sans[{len(names) - 1}]", path)
    return {**found, **({"extra_sans": names} if names else {})}


def _proxy_mode(proxy: Fields) -> str:
    """kubeadm.kube_proxy.mode; "" for the default."""
    mode, report = _text(proxy, "mode"), proxy.report
    if mode in ("iptables", "nftables"):
        report.taken(proxy.at("mode"), "kubeadm.kube_proxy.mode")
        return mode
    if mode:
        report.changed(proxy.at("mode"), "kube-proxy in nftables mode", f"{mode} is not supported: Kubernetes deprecates ipvs")
    return ""
