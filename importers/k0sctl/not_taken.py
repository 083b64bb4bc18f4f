"""Fields of k0sctl's files that a cluster file does not have, with the reason."""

from __future__ import annotations

_K0S = "a setting of k0s itself"
_BINARY = "all files for the hosts come from the bundle"
_CONFIG = "spec.k0s.config.spec"

# the beginning of a path -> reason; the longest one counts. ClusterConfig documents of their own have the same paths below `spec`
_REASONS = {
    "metadata": "a cluster has one name; other metadata has no effect",
    "spec.options": "a setting of k0sctl's own runs",
    "spec.hosts": "a cluster file has no such setting for a host",
    "spec.hosts.dataDir": _K0S,
    "spec.hosts.environment": "write `proxy`, or the environment of a service on the host yourself",
    "spec.hosts.files": "sixstack copies only the files of the bundle",
    "spec.hosts.hooks": "sixstack has no hooks",
    "spec.hosts.k0s": _BINARY,
    "spec.hosts.localhost": "hosts are reached over SSH",
    "spec.hosts.noTaints": "a control plane keeps kubeadm's taint",
    "spec.hosts.openSSH": "options of ssh are not used",
    "spec.hosts.os": "the operating system is read from the host",
    "spec.hosts.reset": "remove the host from the file, or use `sixstack remove`",
    "spec.hosts.ssh.keyPath": "the file of the key is on another machine: `sixstack credential add NAME --key FILE` saves the key",
    "spec.hosts.ssh.bastion.keyPath": "the file of the key is on another machine: `sixstack credential add NAME --key FILE` saves the key",
    "spec.hosts.uploadBinary": _BINARY,
    "spec.hosts.useExistingK0s": _BINARY,
    "spec.hosts.winRM": "hosts are reached over SSH",
    "spec.k0s": _K0S,
    f"{_CONFIG}.api": "write arguments of the API server in `kubeadm.extra_args`",
    f"{_CONFIG}.api.address": "the address of the API server is that of the node",
    f"{_CONFIG}.controllerManager": "write arguments in `kubeadm.extra_args`",
    f"{_CONFIG}.extensions": "sixstack installs no add-ons: apply it to the cluster afterwards",
    f"{_CONFIG}.featureGates": "feature gates belong to one version of Kubernetes",
    f"{_CONFIG}.images": "images come from the bundle; see `images`",
    f"{_CONFIG}.network": "`cni` sets the pod network",
    f"{_CONFIG}.network.kubeProxy": "write fields of KubeProxyConfiguration in `kubeadm.kube_proxy`",
    f"{_CONFIG}.network.nodeLocalLoadBalancing": "sixstack creates no load balancer; see `control_plane.endpoint`",
    f"{_CONFIG}.network.controlPlaneLoadBalancing": "sixstack creates no load balancer; see `control_plane.endpoint`",
    f"{_CONFIG}.network.dualStack": "the cluster is not dual-stack",
    f"{_CONFIG}.scheduler": "write arguments in `kubeadm.extra_args`",
    f"{_CONFIG}.storage": "etcd runs as a static pod of kubeadm on the control plane",
    f"{_CONFIG}.telemetry": "sixstack sends no telemetry",
    f"{_CONFIG}.workerProfiles": "write fields of KubeletConfiguration in `kubeadm.kubelet`",
}


def reason(path: str) -> str:
    """Why a field was not taken over; `path` without file and indices."""
    inside = path if path.startswith(("spec.hosts", "spec.k0s", "spec.options", "metadata")) else path.replace("spec", _CONFIG, 1)
    known = [start for start in _REASONS if inside.startswith(start)]
    return _REASONS[max(known, key=len)] if known else "k0sctl's files have no such field, or the cluster file needs none"
