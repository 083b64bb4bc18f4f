"""Calico with VXLAN, without BGP, in every stack mode, as documents for server-side apply."""

from __future__ import annotations

import json
import re
from typing import Any

from cluster.kubeadm.documents import proxy_mode
from cluster.vocabulary.families import Family, StackMode, family_of
from cluster.vocabulary.releases import release_for
from cluster.vocabulary.spec import ClusterSpec, Encapsulation, ProxyMode
from kube.client import Document
from kube.pod_networks.documents import rendered
from templates import render

IMAGES = ("calico-cni", "calico-kube-controllers", "calico-node")
_REGISTRY = "quay.io/calico"

# kinds of group crd.projectcalico.org, version v1 (libcalico-go/config/crd); felix reads on only once it can watch them all
_CLUSTER_WIDE = {
    "BGPConfiguration": "bgpconfigurations",
    "BGPFilter": "bgpfilters",
    "BGPPeer": "bgppeers",
    "BlockAffinity": "blockaffinities",
    "CalicoNodeStatus": "caliconodestatuses",
    "ClusterInformation": "clusterinformations",
    "FelixConfiguration": "felixconfigurations",
    "GlobalNetworkPolicy": "globalnetworkpolicies",
    "GlobalNetworkSet": "globalnetworksets",
    "HostEndpoint": "hostendpoints",
    "IPAMBlock": "ipamblocks",
    "IPAMConfig": "ipamconfigs",
    "IPAMHandle": "ipamhandles",
    "IPPool": "ippools",
    "IPReservation": "ipreservations",
    "KubeControllersConfiguration": "kubecontrollersconfigurations",
    "StagedGlobalNetworkPolicy": "stagedglobalnetworkpolicies",
    "Tier": "tiers",
}
_NAMESPACED = {
    "NetworkPolicy": "networkpolicies",
    "NetworkSet": "networksets",
    "StagedKubernetesNetworkPolicy": "stagedkubernetesnetworkpolicies",
    "StagedNetworkPolicy": "stagednetworkpolicies",
}
_NOT_FOR_NODES = {"ipamconfigs", "ipamhandles", "kubecontrollersconfigurations"}

# what Calico's image brings beside its own plug-ins
_REFERENCE_PLUGINS = ("bandwidth", "flannel", "host-local", "loopback", "portmap", "tuning")

# Felix takes the least MTU of the links that are the network's own: its own pattern, and names that it lacks (bonds, containers)
_LINKS = r"^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|em|bond|team|host|net|venet|wlan|wwan)[0-9].*)"


def calico_documents(spec: ClusterSpec) -> list[Document]:
    """Resource definitions, rights, one pool a family, DaemonSet and controllers for this cluster's families, ranges, VXLAN port and MTU."""
    definitions = [
        {"kind": kind, "plural": plural, "scope": scope}
        for scope, kinds in (("Cluster", _CLUSTER_WIDE), ("Namespaced", _NAMESPACED))
        for kind, plural in kinds.items()
    ]
    text = render(
        "cni/calico.yaml.j2",
        definitions=definitions,
        watched=sorted({definition["plural"] for definition in definitions} - _NOT_FOR_NODES),
        pools=pools(spec),
        images=images(spec),
        cni_config=json.dumps(cni_config(spec)),
        reference_plugins=_REFERENCE_PLUGINS,
        environment=environment(spec),
        loopback=_loopback(spec),
    )
    return rendered(text)


def images(spec: ClusterSpec) -> dict[str, str]:
    """Image references by name: the published ones of the version, unless the file names others."""
    version = (spec.cni.version or release_for(spec.version).calico).removeprefix("v")
    published = {name: f"{_REGISTRY}/{name.removeprefix('calico-')}:v{version}" for name in IMAGES}
    return published | spec.cni.images


def pools(spec: ClusterSpec) -> list[dict[str, Any]]:
    """One pool a pod range, primary family first; named as Calico names those that it makes itself."""
    found = []
    for cidr in spec.pod_ranges:
        family = family_of(cidr)
        settings = spec.cni.pools.of(family)
        found.append(
            {
                "name": f"default-{family.value}-ippool",
                "cidr": str(cidr),
                "block_size": spec.cni.pools.block_size(family),
                "encapsulation": settings.encapsulation.value,
                "nat_outgoing": settings.nat_outgoing,
            }
        )
    return found


def cni_config(spec: ClusterSpec) -> Document:
    """The plug-ins' configuration on each host; words between double underscores are filled in by Calico's install program."""
    return {
        "name": "k8s-pod-network",
        "cniVersion": "1.0.0",
        "plugins": [
            {
                "type": "calico",
                "log_level": "info",
                "log_file_path": "/var/log/calico/cni/cni.log",
                "datastore_type": "kubernetes",
                "nodename": "__KUBERNETES_NODE_NAME__",
                # 0: what felix found, which is in a file that it writes
                "mtu": spec.cni.mtu or 0,
                "require_mtu_file": spec.cni.mtu is None,
                "ipam": {
                    "type": "calico-ipam",
                    "assign_ipv4": str(Family.IPV4 in spec.families).lower(),
                    "assign_ipv6": str(Family.IPV6 in spec.families).lower(),
                },
                "policy": {"type": "k8s"},
                "kubernetes": {"kubeconfig": "__KUBECONFIG_FILEPATH__"},
            },
            {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
        ],
    }


def environment(spec: ClusterSpec) -> dict[str, str]:
    """What calico-node is told: rules 19 and 20 of docs/reference, and one program for everybody's packet filter rules."""
    values = {
        "DATASTORE_TYPE": "kubernetes",
        "WAIT_FOR_DATASTORE": "true",
        "CLUSTER_TYPE": "k8s",
        "CALICO_NETWORKING_BACKEND": "vxlan",
        # pools are documents of ours: those of environment variables come out wrong in IPv6-only (CALICO_IPV4POOL_CIDR=none)
        "NO_DEFAULT_POOLS": "true",
        "CALICO_DISABLE_FILE_LOGGING": "true",
        "FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
        "FELIX_HEALTHENABLED": "true",
        "FELIX_HEALTHHOST": _loopback(spec),
        "FELIX_IPV6SUPPORT": str(Family.IPV6 in spec.families).lower(),
        # that of kube-proxy
        "FELIX_NFTABLESMODE": "Enabled" if proxy_mode(spec) is ProxyMode.NFTABLES else "Disabled",
        "FELIX_VXLANPORT": str(spec.cni.udp_port),
        "FELIX_MTUIFACEPATTERN": _links(spec),
    }
    for variable, family in (("IP", Family.IPV4), ("IP6", Family.IPV6)):
        values[variable] = "autodetect" if family in spec.families else "none"
        if family in spec.families:
            values[f"{variable}_AUTODETECTION_METHOD"] = "kubernetes-internal-ip"
    if Family.IPV4 not in spec.families:
        values["CALICO_ROUTER_ID"] = "hash"  # it would be the IPv4 address
    if spec.cni.mtu is not None:
        values |= {"FELIX_VXLANMTU": str(spec.cni.mtu), "FELIX_VXLANMTUV6": str(spec.cni.mtu)}
    if any(pool["encapsulation"] == Encapsulation.NEVER.value for pool in pools(spec)):
        # routes to the neighbours' pods, which else only BGP would bring
        values["FELIX_PROGRAMCLUSTERROUTES"] = "Enabled"
    return dict(sorted(values.items()))


def _loopback(spec: ClusterSpec) -> str:
    return "::1" if spec.stack is StackMode.IPV6 else "127.0.0.1"


def _links(spec: ClusterSpec) -> str:
    """A regular expression of the links whose MTU counts: those that the file names, if it does so for every host."""
    named = sorted({re.escape(host.interface) for host in spec.hosts if host.interface is not None})
    if all(host.interface is not None for host in spec.hosts):
        return f"^({'|'.join(named)})$"
    return _LINKS if not named else f"{_LINKS}|^({'|'.join(named)})$"
