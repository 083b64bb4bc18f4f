"""What TKEStack's documents have and a cluster file has not, with the reason; and what nobody has said anything of."""

from __future__ import annotations

from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.partial import UNREAD
from tkestack.documents import Resource
from tkestack.fields import child_path
from tkestack.report import Report

_SERVER = "TKEStack's server writes it"
_TENANT = "there are no tenants here"
_PROVIDER = "it is of TKEStack's own services"

# fields of a spec, indices left out; what is empty or false asks for nothing
_REASONS = {
    "finalizers": _SERVER,
    "tenantID": _TENANT,
    "displayName": "a cluster has one name",
    "networkType": "`cni` says what the pod network is",
    "networkArgs": "they are settings of TKEStack's Cilium; see `cni`",
    "dockerExtraArgs": "containerd is the container runtime",
    "clusterCredentialRef": "a new cluster gets certificates of its own",
    "etcd.external": "etcd runs on the control plane",
    "etcd.local.dataDir": "etcd's data lies in /var/lib/etcd",
    "etcd.local.serverCertSANs": "etcd's certificates name what kubeadm puts into them",
    "etcd.local.peerCertSANs": "etcd's certificates name what kubeadm puts into them",
    "scalingMachines": "they are on their way in or out: add them to `hosts` if they are to stay",
    "bootstrapApps": _PROVIDER,
    "appVersion": _PROVIDER,
    "features.publicLB": "no load balancer is made; see `control_plane.endpoint`",
    "features.internalLB": "no load balancer is made; see `control_plane.endpoint`",
    "features.gpuType": "no GPU driver or device plug-in is installed",
    "features.enableMasterSchedule": "a control plane keeps kubeadm's taint; `kubectl taint nodes NAME node-role.kubernetes.io/control-plane-` takes it",
    "features.ha.tke": "no keepalived is installed: give the address to a load balancer of yours and name it in `control_plane.endpoint`",
    "features.skipConditions": "they are steps of TKEStack",
    "features.files": "no files are copied but those of the bundle",
    "features.hooks": "there are no hooks",
    "features.csiOperator": "no storage driver is installed",
    "features.authzWebhookAddr": "no authorization webhook is set up",
    "features.enableMetricsServer": "no metrics-server is installed",
    "features.enableCilium": "`cni` says what the pod network is",
    "features.containerRuntime": "containerd is the container runtime",
    "features.upgrade": "there is nothing to upgrade yet",
    "properties.oversoldRatio": _PROVIDER,
    "machines.taints.timeAdded": "the node controllers write it",
    "taints.timeAdded": "the node controllers write it",
    "machines.proxy": "it has no address",
    "proxy": "it has no address",
}
_METADATA = {
    "generateName": "the name is there, or comes from other fields",
    "labels": "labels of TKEStack's document, not of a node",
    "annotations": "annotations of TKEStack's document, not of a node",
}
# read elsewhere (tkestack/): known, and at times with nothing to say
_READ = {
    *("type", "version", "networkDevice", "clusterCIDR", "serviceCIDR", "dnsDomain", "publicAlternativeNames", "features", "properties"),
    *("machines", "kubeletExtraArgs", "apiServerExtraArgs", "controllerManagerExtraArgs", "schedulerExtraArgs", "hostnameAsNodename"),
    *("features.ipvs", "features.ha", "features.ha.thirdParty", "features.ha.thirdParty.vip", "features.ha.thirdParty.vport"),
    *(
        "features.ipv6DualStack",
        "properties.maxClusterServiceNum",
        "properties.maxNodePodNum",
        "etcd",
        "etcd.local",
        "etcd.local.extraArgs",
    ),
    "clusterName",
    *(
        f"{prefix}{name}"
        for prefix in ("", "machines.", "proxy.", "machines.proxy.")
        for name in ("ip", "port", "username", "password", "privateKey", "passPhrase", "labels", "taints", "type")
    ),
    *(f"{prefix}taints.{name}" for prefix in ("", "machines.") for name in ("key", "value", "effect")),
}


def report_unread_fields(resource: Resource, report: Report) -> None:
    """Say of every field of which nothing was said what became of it: nothing, and why."""
    _walk(resource.fields.data, resource.fields.path, "", report)


def _walk(value: object, path: str, generic: str, report: Report) -> None:
    if value is UNREAD or report.is_reported(path):
        return
    below = list(_children(value, path, generic))
    if any(_any_reported(item, at, report) for item, at, _ in below):
        for item, at, name in below:
            _walk(item, at, name, report)
        return
    top, _, rest = generic.partition(".")
    # what is known to be a holder of fields is told by its fields
    if below and (generic in {"", "spec", "metadata"} or (top == "spec" and rest in _READ)):
        for item, at, name in below:
            _walk(item, at, name, report)
    elif generic:
        _report_field(value, path, top, rest, report)


def _report_field(value: object, path: str, top: str, rest: str, report: Report) -> None:
    known = _REASONS.get(rest) if top == "spec" else _METADATA.get(rest, _SERVER) if top == "metadata" else None
    if top == "status":
        report.not_taken(path, "it is what TKEStack saw of its own cluster")
    elif top == "spec" and known is None and rest not in _READ:
        near = nearest_name(rest.rpartition(".")[2], sorted(_siblings(rest)))
        report.not_taken(path, "TKEStack's documents have no such field" + (f"; did you mean {near}?" if near else ""))
    elif not value:
        report.taken(path, "nothing: it asks for nothing")
    else:
        report.not_taken(path, known or "there is no use for it beside the other fields")


def _siblings(rest: str) -> set[str]:
    parent = rest.rpartition(".")[0]
    return {name.rpartition(".")[2] for name in (*_READ, *_REASONS) if name.rpartition(".")[0] == parent}


def _any_reported(value: object, path: str, report: Report) -> bool:
    return report.is_reported(path) or any(_any_reported(item, at, report) for item, at, _ in _children(value, path, ""))


def _children(value: object, path: str, generic: str) -> list[tuple[object, str, str]]:
    """Each field or item: its value, its path, and its path without indices."""
    if isinstance(value, dict):
        return [(item, child_path(path, name), f"{generic}.{name}".lstrip(".")) for name, item in value.items()]
    if isinstance(value, list):
        return [(item, f"{path}[{index}]", generic) for index, item in enumerate(value)]
    return []
