"""Extra settings for kubeadm: they must not set what the rest of the file or kubeadm sets, and kubeadm must accept them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import remove, replace_by
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, ProxyMode

_CERTIFICATES = "kubeadm's own certificates"
_CONNECTION = "kubeadm's own kubeconfig"

# field -> what sets it
_KUBELET_FIELDS = {
    "apiVersion": "sixstack",
    "kind": "sixstack",
    "address": "`stack` and `primary_family`",
    "clusterDNS": "the first of `network.services`",
    "clusterDomain": "`network.dns_domain`",
    "containerRuntimeEndpoint": "sixstack (containerd)",
    "healthzBindAddress": "`stack`",
    "podCIDR": "`network.pods`",
    "providerID": "each host: one value cannot fit all hosts",
    "registerNode": "sixstack",
    "registerWithTaints": "`hosts[].taints`",
    "staticPodPath": "kubeadm",
    "staticPodURL": "kubeadm",
}
_KUBE_PROXY_FIELDS = {
    "apiVersion": "sixstack",
    "kind": "sixstack",
    "bindAddress": "`stack` and `primary_family`",
    "clientConnection": "kubeadm",
    "clusterCIDR": "`network.pods`",
    "hostnameOverride": "`hosts[].name`",
}
_ARGUMENTS: dict[str, dict[str, str]] = {
    "apiserver": {
        "advertise-address": "the first address of the control plane",
        "bind-address": "`stack` and `primary_family`",
        "secure-port": "`control_plane.bind_port`",
        "service-cluster-ip-range": "`network.services`",
        "enable-bootstrap-token-auth": "kubeadm, because hosts join with bootstrap tokens",
        "etcd-servers": "kubeadm",
    }
    | dict.fromkeys(
        (
            "client-ca-file",
            "etcd-cafile",
            "etcd-certfile",
            "etcd-keyfile",
            "kubelet-client-certificate",
            "kubelet-client-key",
            "proxy-client-cert-file",
            "proxy-client-key-file",
            "requestheader-client-ca-file",
            "service-account-key-file",
            "service-account-signing-key-file",
            "tls-cert-file",
            "tls-private-key-file",
        ),
        _CERTIFICATES,
    ),
    "controller_manager": {
        "allocate-node-cidrs": "`network.pods`",
        "bind-address": "`stack`",
        "cluster-cidr": "`network.pods`",
        "cluster-name": "`name`",
        "node-cidr-mask-size": "`network.pods[].node_mask`",
        "node-cidr-mask-size-ipv4": "`network.pods[].node_mask`",
        "node-cidr-mask-size-ipv6": "`network.pods[].node_mask`",
        "service-cluster-ip-range": "`network.services`",
        "authentication-kubeconfig": _CONNECTION,
        "authorization-kubeconfig": _CONNECTION,
        "kubeconfig": _CONNECTION,
    }
    | dict.fromkeys(
        (
            "client-ca-file",
            "cluster-signing-cert-file",
            "cluster-signing-key-file",
            "requestheader-client-ca-file",
            "root-ca-file",
            "service-account-private-key-file",
        ),
        _CERTIFICATES,
    ),
    "scheduler": {
        "bind-address": "`stack`",
        "authentication-kubeconfig": _CONNECTION,
        "authorization-kubeconfig": _CONNECTION,
        "kubeconfig": _CONNECTION,
    },
    "etcd": dict.fromkeys(
        (
            "advertise-client-urls",
            "data-dir",
            "initial-advertise-peer-urls",
            "initial-cluster",
            "initial-cluster-state",
            "listen-client-urls",
            "listen-metrics-urls",
            "listen-peer-urls",
            "name",
        ),
        "kubeadm, from the first address of the control plane",
    )
    | dict.fromkeys(("cert-file", "key-file", "peer-cert-file", "peer-key-file", "peer-trusted-ca-file", "trusted-ca-file"), _CERTIFICATES),
    "kubelet": {
        "address": "`stack` and `primary_family`",
        "bootstrap-kubeconfig": _CONNECTION,
        "cgroup-driver": "`kubeadm.kubelet.cgroupDriver`",
        "cluster-dns": "the first of `network.services`",
        "cluster-domain": "`network.dns_domain`",
        "config": "`kubeadm.kubelet`",
        "container-runtime-endpoint": "sixstack (containerd)",
        "healthz-bind-address": "`stack`",
        "hostname-override": "`hosts[].name`",
        "kubeconfig": _CONNECTION,
        "node-ip": "`hosts[].addresses`",
        "node-labels": "`hosts[].labels`",
        "pod-cidr": "`network.pods`",
        "pod-manifest-path": "kubeadm",
        "register-with-taints": "`hosts[].taints`",
    },
}
_ARGUMENT = re.compile(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*", re.ASCII)
_CGROUP_DRIVERS = ("systemd", "cgroupfs")


def argument_owner(component: str, name: str) -> str | None:
    """What sets this command-line argument of a component; None when `extra_args` can set it."""
    return _ARGUMENTS[component].get(name.lstrip("-"))


@spec_rule("owned-field")
def component_fields_have_no_other_owner(spec: ClusterSpec) -> Iterator[Violation]:
    """The file sets a field of KubeletConfiguration or KubeProxyConfiguration that kubeadm sets, or that sixstack derives from the rest
    of the file."""
    for part, fields, owned in (
        ("kubelet", spec.kubeadm.kubelet, _KUBELET_FIELDS),
        ("kube_proxy", spec.kubeadm.kube_proxy, _KUBE_PROXY_FIELDS),
    ):
        for field in fields:
            if field in owned:
                yield Violation(
                    join_path(f"kubeadm.{part}", field),
                    f"{field} is determined by {owned[field]}",
                    "remove it",
                    remove(f"kubeadm.{part}", field),
                )


@spec_rule("owned-argument")
def arguments_have_no_other_owner(spec: ClusterSpec) -> Iterator[Violation]:
    """The file sets a command-line argument that kubeadm sets, or that sixstack derives from the rest of the file."""
    for component, arguments in spec.kubeadm.extra_args.items():
        for name in arguments:
            if (owner := argument_owner(component, name)) is not None:
                at = join_path(f"kubeadm.extra_args.{component}", name)
                yield Violation(
                    at, f"--{name.lstrip('-')} is determined by {owner}", "remove it", remove(f"kubeadm.extra_args.{component}", name)
                )


@spec_rule("malformed-argument")
def arguments_are_named_without_dashes(spec: ClusterSpec) -> Iterator[Violation]:
    """The name of an argument has leading dashes or `=`."""
    for component, arguments in spec.kubeadm.extra_args.items():
        for name in arguments:
            if not _ARGUMENT.fullmatch(name):
                bare = name.lstrip("-").partition("=")[0].replace("_", "-")
                hint = (
                    f"write `{bare}:` and its value"
                    if _ARGUMENT.fullmatch(bare)
                    else "write the name as the component's --help prints it, without --"
                )
                at = join_path(f"kubeadm.extra_args.{component}", name)
                yield Violation(at, f"{quoted(name)} is not an argument name", hint, remove(f"kubeadm.extra_args.{component}", name))


@spec_rule("kube-proxy-mode")
def kube_proxy_mode_is_offered(spec: ClusterSpec) -> Iterator[Violation]:
    """The mode of kube-proxy is neither nftables nor iptables. Kubernetes deprecates ipvs."""
    mode = spec.kubeadm.kube_proxy.get("mode", ProxyMode.NFTABLES.value)
    if mode not in tuple(ProxyMode):
        yield Violation(
            "kubeadm.kube_proxy.mode",
            f"{quoted(mode)} is not one of nftables, iptables",
            "remove it to use nftables",
            remove("kubeadm.kube_proxy.mode"),
        )


@spec_rule("cgroup-driver")
def cgroup_driver_is_one_of_two(spec: ClusterSpec) -> Iterator[Violation]:
    """The cgroup driver of the kubelet is neither systemd nor cgroupfs. containerd uses the same driver."""
    driver = spec.kubeadm.kubelet.get("cgroupDriver", "systemd")
    if driver not in _CGROUP_DRIVERS:
        yield Violation(
            "kubeadm.kubelet.cgroupDriver",
            f"{quoted(driver)} is not one of systemd, cgroupfs",
            "remove it to use systemd",
            remove("kubeadm.kubelet.cgroupDriver"),
        )


@spec_rule("malformed-preflight-check")
def preflight_checks_are_names(spec: ClusterSpec) -> Iterator[Violation]:
    """A preflight check to ignore is not a name as kubeadm prints it ([ERROR Swap]), or `all` is combined with other names (kubeadm, ValidateIgnorePreflightErrors)."""
    names = spec.kubeadm.ignore_preflight
    for index, name in enumerate(names):
        at = f"kubeadm.ignore_preflight[{index}]"
        if not re.fullmatch(r"[A-Za-z0-9._/-]+", name):
            near = nearest_name(name, ("Swap", "NumCPU", "Mem", "SystemVerification"))
            yield Violation(
                at,
                f"{quoted(name)} is not the name of a preflight check",
                f"did you mean {near}?" if near else "write a name such as NumCPU",
                replace_by(near, at) if near and near not in names else remove(at),
            )
        elif name.lower() == "all" and len({check.lower() for check in names}) > 1:
            yield Violation(
                at,
                "`all` is combined with names of checks",
                "write either all or the names",
                replace_by(["all"], "kubeadm.ignore_preflight"),
            )
