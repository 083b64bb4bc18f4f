"""Converts an inventory of kubespray into a cluster file, the logins of its hosts and a report of every variable. Never raises."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from cluster.file.literals import read_address
from cluster.rules.labels import label_owner, taint_owner
from cluster.rules.names import is_node_name
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.families import Address, Family, family_of
from cluster.vocabulary.hostport import join_host_port
from importers.choices import Choices
from importers.imported import Imported, imported
from importers.kubespray.inventory import Inventory, read_inventory
from importers.kubespray.not_taken import GROUPS, reason
from importers.kubespray.variables import Variables, not_plain
from importers.logins import Logins
from importers.names import valid_name
from importers.ranges import read_range
from importers.report import Report
from importers.sources import Source
from importers.versions import read_version

# the codes of problems that only this import reports; docs/reference/problems.md lists them
FAULTS = {
    "no-control-plane-group": "An inventory has no host in the group kube_control_plane.",
    "host-range": "A line of an inventory names several hosts (`node[1:3]`).",
    "no-stack": "ipv4_stack and ipv6_stack are both false.",
}
# the defaults of kubespray (roles/kubespray_defaults): variable of the range, its default, variable of the node mask, its default
_PODS = {
    Family.IPV4: ("kube_pods_subnet", "10.233.64.0/18", "kube_network_node_prefix", 24),
    Family.IPV6: ("kube_pods_subnet_ipv6", "fd85:ee78:d8a6:8607::1:0/112", "kube_network_node_prefix_ipv6", 120),
}
_SERVICES = {
    Family.IPV4: ("kube_service_addresses", "10.233.0.0/18"),
    Family.IPV6: ("kube_service_addresses_ipv6", "fd85:ee78:d8a6:8607::1000/116"),
}
_POD_NETWORKS = {"calico": "calico", "flannel": "flannel", "none": "none", "cni": "none", "custom_cni": "none"}
_ADDRESS = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
_PASSWORD = ("ansible_password", "ansible_ssh_password", "ansible_ssh_pass")
_SUDO_PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")


def import_kubespray(sources: Sequence[Source], choices: Choices) -> Imported:
    """All errors of all files at once, or a cluster file and its problems as from `sixstack check`."""
    report = Report()
    inventory = read_inventory(sources, report)
    control_planes = inventory.members("kube_control_plane")
    if not control_planes:
        hint = "Pass the inventory file, such as hosts.yaml or inventory.ini, or its folder."
        report.fault("no-control-plane-group", "inventory", "no host is in the group kube_control_plane", hint)
        return imported({}, (), report, inventory.lines)
    shared = Variables(inventory.variables_of(control_planes[0]), report)
    name, domain = _names(shared)
    logins = Logins(name)
    families = _families(shared)
    members = [*control_planes, *(host for host in inventory.members("kube_node") if host not in control_planes)]
    jump = _jump(inventory, logins, choices, report)
    hosts = [_host(host, number, inventory, families, logins, choices, jump, report) for number, host in enumerate(members)]
    for index in range(len(control_planes)):
        hosts[index]["role"] = "control-plane"
    control_plane, kubeadm = _control_plane(shared), _kubeadm(shared)
    document: dict[str, Any] = {
        "name": name,
        "kubernetes_version": read_version(shared.text("kube_version"), shared.path("kube_version"), report, builds="other"),
        "stack": "dual-stack" if len(families) == 2 else families[0].value,
        "hosts": hosts,
        "network": {**_ranges(shared, families), "dns_domain": domain, **_upstreams(shared)},
        "cni": {"kind": _pod_network(shared, choices)},
        **_proxy(shared),
        **({"control_plane": control_plane} if control_plane else {}),
        **({"kubeadm": kubeadm} if kubeadm else {}),
    }
    _report_groups(inventory, members, report)
    for variable, place in inventory.variables():
        if not report.is_reported(place.path):
            report.not_taken(place.path, not_plain(place.value) or reason(variable))
    return imported(document, tuple(logins.found.values()), report, inventory.lines)


def _names(shared: Variables) -> tuple[str, str]:
    """The name of the cluster and its DNS domain: kubespray's cluster_name is the domain."""
    written = shared.text("cluster_name")
    name = valid_name((written or "cluster.local").partition(".")[0])
    if written:
        shared.changed(
            f"name: {name}, and network.dns_domain",
            "kubespray's cluster_name is the DNS domain, and its first label becomes the name",
            "cluster_name",
        )
    else:
        shared.report.added(f"name: {name}", "cluster_name is not set; kubespray's default is cluster.local")
    domain = shared.text("dns_domain")
    if domain:
        shared.taken("network.dns_domain", "dns_domain")
    return name, domain or written or "cluster.local"


def _families(shared: Variables) -> tuple[Family, ...]:
    """IPv4 comes first in kubespray's dual-stack."""
    dual, ipv4, ipv6 = shared.flag("enable_dual_stack_networks"), shared.flag("ipv4_stack"), shared.flag("ipv6_stack")
    for variable in ("enable_dual_stack_networks", "ipv4_stack", "ipv6_stack"):
        shared.taken("stack", variable)
    wanted = ((Family.IPV4, ipv4 is not False), (Family.IPV6, bool(ipv6 if ipv6 is not None else dual)))
    families = tuple(family for family, used in wanted if used)
    if not families:
        shared.report.fault("no-stack", shared.path("ipv4_stack"), "ipv4_stack and ipv6_stack are both false", "Set one of them to true.")
    return families or (Family.IPV4,)


def _ranges(shared: Variables, families: tuple[Family, ...]) -> dict[str, Any]:
    pods: list[dict[str, Any]] = []
    services: list[str] = []
    for index, family in enumerate(families):
        variable, default, masked_by, default_mask = _PODS[family]
        cidr = _range(shared, variable, default, f"network.pods[{index}].cidr")
        mask = shared.number(masked_by)
        shared.taken(f"network.pods[{index}].node_mask", masked_by)
        pods.append({"cidr": cidr, "node_mask": default_mask if mask is None else mask})
        services.append(_range(shared, *_SERVICES[family], f"network.services[{index}]"))
    return {"pods": pods, "services": services}


def _range(shared: Variables, variable: str, default: str, to: str) -> str:
    written = shared.text(variable)
    if not written:
        network = str(ip_network(default, strict=False))
        shared.report.added(f"{to}: {network}", f"kubespray's default, because {variable} has no value here")
        return network
    found = read_range(shared.report, shared.path(variable), written, to)
    return written if found is None else str(found)


def _upstreams(shared: Variables) -> dict[str, Any]:
    found = list(shared.texts("upstream_dns_servers"))
    if found:
        shared.taken("network.dns_upstreams", "upstream_dns_servers")
    return {"dns_upstreams": found} if found else {}


def _pod_network(shared: Variables, choices: Choices) -> str:
    written = shared.text("kube_network_plugin")
    if choices.pod_network is not None:
        shared.changed(f"cni.kind: {choices.pod_network}", "--cni sets another pod network", "kube_network_plugin")
        return choices.pod_network
    if not written:
        shared.report.added("cni.kind: calico", "kubespray's default, because kube_network_plugin has no value here")
        return "calico"
    kind = _POD_NETWORKS.get(written)
    if kind == written:
        shared.taken("cni.kind", "kube_network_plugin")
    else:
        why = "install your plug-in yourself, with cni.kind manifests or after the cluster is created"
        shared.changed("cni.kind: none", why, "kube_network_plugin")
    return kind or "none"


def _proxy(shared: Variables) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, variable in (("http", "http_proxy"), ("https", "https_proxy")):
        if written := shared.text(variable):
            found[key] = written
            shared.taken(f"proxy.{key}", variable)
    if without := [part.strip() for part in shared.text("no_proxy", "additional_no_proxy").split(",") if part.strip()]:
        found["no_proxy"] = without
        shared.taken("proxy.no_proxy", "no_proxy", "additional_no_proxy")
    return {"proxy": found} if found else {}


def _control_plane(shared: Variables) -> dict[str, Any]:
    found: dict[str, Any] = {}
    balancer, name = shared.value("loadbalancer_apiserver"), shared.text("apiserver_loadbalancer_domain_name")
    if isinstance(balancer, dict) and balancer.get("address"):
        host = name or str(balancer["address"])
        found["endpoint"] = join_host_port(host, port) if isinstance(port := balancer.get("port"), int) else host
        shared.taken("control_plane.endpoint", "loadbalancer_apiserver")
        if name:
            shared.taken("control_plane.endpoint", "apiserver_loadbalancer_domain_name")
    if names := list(shared.texts("supplementary_addresses_in_ssl_keys")):
        found["extra_sans"] = names
        shared.taken("control_plane.extra_sans", "supplementary_addresses_in_ssl_keys")
    port = shared.number("kube_apiserver_port")
    if port is not None:
        if port != 6443:
            found["bind_port"] = port
        shared.taken("control_plane.bind_port", "kube_apiserver_port")
    return found


def _kubeadm(shared: Variables) -> dict[str, Any]:
    found: dict[str, Any] = {}
    mode = shared.text("kube_proxy_mode")
    if mode in ("iptables", "nftables"):
        found["kube_proxy"] = {"mode": mode}
        shared.taken("kubeadm.kube_proxy.mode", "kube_proxy_mode")
    elif mode:
        shared.changed(
            "kube-proxy in nftables mode",
            f"Kubernetes deprecates {mode}" if mode == "ipvs" else "not a mode of sixstack",
            "kube_proxy_mode",
        )
    else:
        shared.report.added("kube-proxy in nftables mode", "kubespray's default is ipvs, which Kubernetes deprecates")
    if (pods := shared.number("kubelet_max_pods")) is not None:
        found["kubelet"] = {"maxPods": pods}
        shared.taken("kubeadm.kubelet.maxPods", "kubelet_max_pods")
    return found


def _host(
    name: str,
    index: int,
    inventory: Inventory,
    families: tuple[Family, ...],
    logins: Logins,
    choices: Choices,
    jump: dict[str, Any] | None,
    report: Report,
) -> dict[str, Any]:
    own, at = Variables(inventory.variables_of(name), report), f"hosts[{index}]"
    ssh = _endpoint(name, own, f"{at}.ssh", logins, choices)
    if jump is not None:
        ssh["jump"] = jump
    known, fault = read_address(ssh["address"])
    chosen = choices.names.get(known) if fault is None and known is not None else None
    host: dict[str, Any] = {"name": chosen or (name if is_node_name(name) else valid_name(name)), "role": "worker", "ssh": ssh}
    if host["name"] != name:
        report.added(f"{at}.name: {host['name']}", "--name sets another name" if chosen else f"{name} cannot be the name of a node")
    host |= _addresses(own, at, families)
    labels, taints = _labels(own, at), _taints(own, at)
    return {**host, **({"labels": labels} if labels else {}), **({"taints": taints} if taints else {})}


def _endpoint(name: str, own: Variables, at: str, logins: Logins, choices: Choices) -> dict[str, Any]:
    """The SSH endpoint of a host or of the bastion. Its secrets go into a block."""
    address, port, user = own.text(*_ADDRESS) or name, own.number(*_PORT), own.text(*_USER)
    own.taken(f"{at}.address", *_ADDRESS)
    own.taken(f"{at}.port", *_PORT)
    own.taken(f"{at}.user", *_USER)
    if not user:
        own.report.added(f"{at}.user: root", "ansible_user is not set")
    password, sudo = own.text(*_PASSWORD), own.text(*_SUDO_PASSWORD)
    block = "default"
    if password:
        own.taken("an SSH credential block", *_PASSWORD)
        own.taken("an SSH credential block", *_SUDO_PASSWORD)
        block = logins.block(user or "root", Credential(password=password, sudo_password=sudo or None))
    else:
        own.report.added(
            f"{at}.credential: default", "the inventory has no password; `sixstack credential add default --key FILE` saves a key"
        )
    endpoint: dict[str, Any] = {
        "address": address,
        **({"port": port} if port not in (None, 22) else {}),
        "user": user or "root",
        "credential": block,
    }
    if key := choices.host_key(address, port or 22):
        endpoint["host_key"] = key
    return endpoint


def _addresses(own: Variables, at: str, families: tuple[Family, ...]) -> dict[str, Any]:
    """`ip` and `ip6`, if there is one for each family: the file has an address of each family, or none."""
    found: dict[Family, tuple[Address, str]] = {}
    for variable in ("ip", "ip6"):
        if not (text := own.text(variable)):
            continue
        address, fault = read_address(text)
        if address is None or fault is not None:
            own.report.fault("not-an-address", own.path(variable), "not an IP address", "Write an address such as 198.18.0.11 or fd66::11.")
        else:
            found[family_of(address)] = (address, variable)
    complete = all(family in found for family in families)
    for family, (_, variable) in found.items():
        if complete and family in families:
            own.taken(f"{at}.addresses", variable)
        else:
            why = "the file needs an address of each family or none, and the addresses of the node are read from the host"
            own.not_taken(own.path(variable), why if family in families else f"the cluster has no {family.value} addresses")
    return {"addresses": [str(found[family][0]) for family in families]} if complete and found else {}


def _labels(own: Variables, at: str) -> dict[str, str]:
    value, taken = own.value("node_labels"), {}
    if value is not None and not isinstance(value, dict):
        own.not_taken(own.path("node_labels"), "expected a mapping of labels")
        return {}
    for key, text in (value or {}).items():
        if (owner := label_owner(str(key))) is not None:
            own.not_taken(f"{own.path('node_labels')}.{key}", f"{owner.rstrip(',')} sets this label")
        else:
            taken[str(key)] = str(text).lower() if isinstance(text, bool) else str(text)
    if value is not None:
        own.taken(f"{at}.labels", "node_labels")
    return taken


def _taints(own: Variables, at: str) -> list[dict[str, str]]:
    """KEY=VALUE:EFFECT, as `kubectl taint` takes them."""
    taken = []
    for text in own.texts("node_taints"):
        pair, _, effect = text.rpartition(":")
        key, _, value = pair.partition("=")
        if (owner := taint_owner(key)) is not None:
            own.not_taken(f"{own.path('node_taints')}: {key}", f"{owner} set this taint")
        else:
            taken.append({"key": key, **({"value": value} if value else {}), "effect": effect})
    own.taken(f"{at}.taints", "node_taints")
    return taken


def _jump(inventory: Inventory, logins: Logins, choices: Choices, report: Report) -> dict[str, Any] | None:
    """The host `bastion`, through which kubespray logs in to all others."""
    if "bastion" not in inventory.hosts:
        return None
    return _endpoint("bastion", Variables(inventory.variables_of("bastion"), report), "hosts[].ssh.jump", logins, choices)


def _report_groups(inventory: Inventory, members: Sequence[str], report: Report) -> None:
    """The groups of kubespray, and hosts that are in none of those that have nodes."""
    for name, group in inventory.groups.items():
        path = group.path or f"group {name}"
        if not group.hosts or report.is_reported(path):
            continue
        if name == "kube_control_plane":
            report.taken(path, "hosts[]: control-plane")
        elif name == "kube_node":
            if both := [host for host in group.hosts if host in inventory.members("kube_control_plane")]:
                why = "a control plane keeps kubeadm's taint; `kubectl taint nodes NAME node-role.kubernetes.io/control-plane-` removes it"
                report.changed(path, f"hosts[]: {', '.join(both)} only as control-plane", why)
            else:
                report.taken(path, "hosts[]: worker")
        elif name == "etcd" and set(group.hosts) != set(inventory.members("kube_control_plane")):
            report.changed(path, "etcd on the control plane", "etcd runs on the control planes, and on no other host")
        elif name == "etcd":
            report.taken(path, "etcd on the control plane")
        elif name not in ("all", "ungrouped", "bastion", "k8s_cluster"):
            report.not_taken(path, GROUPS.get(name, "a group that kubespray does not know has no effect on the cluster"))
    for host in inventory.hosts:
        if host not in members and host != "bastion":
            report.not_taken(f"host {host}", "the host is in neither kube_control_plane nor kube_node")
