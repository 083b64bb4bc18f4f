"""Fields of TKEStack's documents that a cluster file does not have, with the reason, and unknown fields."""

from __future__ import annotations

from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.partial import UNREAD
from importers.report import Report
from importers.tkestack.documents import Resource
from importers.unread import any_reported, children

_SERVER = "TKEStack's server writes this field"
_TENANT = "sixstack has no tenants"
_PROVIDER = "this field is for TKEStack's own services"

# fields of a spec, without indices; empty and false values have no effect
_REASONS = {
    "finalizers": _SERVER,
    "tenantID": _TENANT,
    "displayName": "a cluster has one name",
    "networkType": "`cni` sets the pod network",
    "networkArgs": "settings of TKEStack's Cilium; `cni` sets the pod network",
    "dockerExtraArgs": "containerd is the container runtime",
    "clusterCredentialRef": "a new cluster gets its own certificates",
    "etcd.external": "etcd runs on the control plane",
    "etcd.local.dataDir": "etcd's data is in /var/lib/etcd",
    "etcd.local.serverCertSANs": "kubeadm chooses the names in etcd's certificates",
    "etcd.local.peerCertSANs": "kubeadm chooses the names in etcd's certificates",
    "scalingMachines": "these machines are being added or removed: write them in `hosts` if they are to stay",
    "bootstrapApps": _PROVIDER,
    "appVersion": _PROVIDER,
    "features.publicLB": "sixstack creates no load balancer; see `control_plane.endpoint`",
    "features.internalLB": "sixstack creates no load balancer; see `control_plane.endpoint`",
    "features.gpuType": "no GPU driver or device plug-in is installed",
    "features.enableMasterSchedule": "a control plane keeps kubeadm's taint; `kubectl taint nodes NAME node-role.kubernetes.io/control-plane-` removes the taint",
    "features.ha.tke": "sixstack installs no keepalived: give the address to your own load balancer and write it in `control_plane.endpoint`",
    "features.skipConditions": "these are steps of TKEStack",
    "features.files": "sixstack copies only the files of the bundle",
    "features.hooks": "sixstack has no hooks",
    "features.csiOperator": "no storage driver is installed",
    "features.authzWebhookAddr": "no authorization webhook is set up",
    "features.enableMetricsServer": "no metrics-server is installed",
    "features.enableCilium": "`cni` sets the pod network",
    "features.containerRuntime": "containerd is the container runtime",
    "features.upgrade": "a new cluster needs no upgrade",
    "properties.oversoldRatio": _PROVIDER,
    "machines.taints.timeAdded": "the node controllers write this field",
    "taints.timeAdded": "the node controllers write this field",
    "machines.proxy": "the proxy has no address",
    "proxy": "the proxy has no address",
}
_METADATA = {
    "generateName": "the name comes from metadata.name or other fields",
    "labels": "labels of TKEStack's document, not of a node",
    "annotations": "annotations of TKEStack's document, not of a node",
}
# fields that other modules of tkestack/ read, sometimes without a report
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
    """Report every field that no module has reported: not taken over, with the reason."""
    _walk(resource.fields.data, resource.fields.path, "", report)


def _walk(value: object, path: str, generic: str, report: Report) -> None:
    if value is UNREAD or report.is_reported(path):
        return
    below = list(children(value, path, generic))
    if any(any_reported(item, at, report) for item, at, _ in below):
        for item, at, name in below:
            _walk(item, at, name, report)
        return
    top, _, rest = generic.partition(".")
    # a known mapping is reported by its fields
    if below and (generic in {"", "spec", "metadata"} or (top == "spec" and rest in _READ)):
        for item, at, name in below:
            _walk(item, at, name, report)
    elif generic:
        _report_field(value, path, top, rest, report)


def _report_field(value: object, path: str, top: str, rest: str, report: Report) -> None:
    known = _REASONS.get(rest) if top == "spec" else _METADATA.get(rest, _SERVER) if top == "metadata" else None
    if top == "status":
        report.not_taken(path, "the state of TKEStack's own cluster")
    elif top == "spec" and known is None and rest not in _READ:
        near = nearest_name(rest.rpartition(".")[2], sorted(_siblings(rest)))
        report.not_taken(path, "TKEStack's documents have no such field" + (f"; did you mean {near}?" if near else ""))
    elif not value:
        report.taken(path, "nothing: the value is empty")
    else:
        report.not_taken(path, known or "the other fields of the document make this field unnecessary")


def _siblings(rest: str) -> set[str]:
    parent = rest.rpartition(".")[0]
    return {name.rpartition(".")[2] for name in (*_READ, *_REASONS) if name.rpartition(".")[0] == parent}
