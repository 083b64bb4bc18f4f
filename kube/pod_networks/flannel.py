"""Flannel with VXLAN, in every stack mode, as documents for server-side apply."""

from __future__ import annotations

import hashlib
import json

from cluster.kubeadm.documents import proxy_mode
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.releases import release_for
from cluster.vocabulary.spec import ClusterSpec, ProxyMode
from kube.client import Document
from kube.pod_networks.documents import rendered
from templates import render

# what flannel takes off the MTU of its backend for the VXLAN header, in either family (pkg/backend/vxlan, encapOverhead)
OVERHEAD = 50


_REGISTRY = "ghcr.io/flannel-io"


def flannel_documents(spec: ClusterSpec) -> list[Document]:
    """Namespace, RBAC, ConfigMap and DaemonSet for this cluster's families, ranges, VXLAN port and MTU."""
    network = json.dumps(network_config(spec), sort_keys=True)
    text = render(
        "cni/flannel.yaml.j2",
        images=images(spec),
        network_config=network,
        # a changed configuration must restart the daemons, which read it once
        config_sha256=hashlib.sha256(network.encode()).hexdigest(),
        # flannel looks an IPv6 address up by this option in dual-stack (pkg/ipmatch)
        ipv6_first=spec.stack is StackMode.DUAL_STACK and spec.families[0] is Family.IPV6,
        loopback="::1" if spec.stack is StackMode.IPV6 else "127.0.0.1",
    )
    return rendered(text)


def images(spec: ClusterSpec) -> dict[str, str]:
    """Image references by name: the published ones of the version, unless the file names others; the bundle holds the same."""
    release = release_for(spec.version)
    version = (spec.cni.version or release.flannel).removeprefix("v")
    published = {
        "flannel": f"{_REGISTRY}/flannel:v{version}",
        "flannel-cni-plugin": f"{_REGISTRY}/flannel-cni-plugin:v{release.flannel_cni_plugin}",
    }
    return published | spec.cni.images


def network_config(spec: ClusterSpec) -> Document:
    """flannel's net-conf.json: a range per family in use, the rules' program, and the backend."""
    backend: Document = {"Type": "vxlan", "Port": spec.cni.udp_port}
    if spec.cni.mtu is not None:
        backend["MTU"] = spec.cni.mtu + OVERHEAD  # flannel wants the link's MTU, the spec says the pods'
    ranges = {cidr.version: str(cidr) for cidr in spec.pod_ranges}
    config: Document = {
        "EnableIPv4": 4 in ranges,
        "EnableIPv6": 6 in ranges,
        # one program for everybody's rules: that of kube-proxy
        "EnableNFTables": proxy_mode(spec) is ProxyMode.NFTABLES,
        "Backend": backend,
    }
    if 4 in ranges:
        config["Network"] = ranges[4]
    if 6 in ranges:
        config["IPv6Network"] = ranges[6]
    return config
