"""Flannel with VXLAN, in every stack mode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cluster.pod_networks.protocol import Leftovers, PodNetworkPlugin, Release
from cluster.pod_networks.vxlan import VXLAN_OVERHEAD
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.releases import release_for
from cluster.vocabulary.spec import ClusterSpec, PodNetwork, ProxyMode

if TYPE_CHECKING:
    from cluster.facts.host_facts import HostFacts
    from cluster.vocabulary.resolved_spec import ResolvedSpec

# flannel subtracts this from the MTU of its link for the VXLAN header, in both families (pkg/backend/vxlan, encapOverhead)
OVERHEAD = 50

_REGISTRY = "ghcr.io/flannel-io"


class Flannel(PodNetworkPlugin):
    """flannel: one range per node from the Node object, VXLAN between nodes, no NetworkPolicy."""

    kind = CniKind.FLANNEL
    title = "flannel"
    ready_with_nodes = True
    settings = frozenset({"version", "images", "vxlan_port", "mtu"})
    image_names = ("flannel", "flannel-cni-plugin")
    release = Release(0, 28, "older releases have no nftables mode, and panic in dual-stack with IPv6 first (flannel#1629)")
    template = "cni/flannel.yaml.j2"
    default_vxlan_port = 8472  # the first default of the Linux kernel, flannel's default
    policy = False
    needs_one_link = True  # flannel exits when its IPv6 address is on another link than its IPv4 address (pkg/ipmatch)
    pod_links = ("flannel*", "cni0", "veth*")
    needs_bridge_filter = True  # flannel exits without br_netfilter
    workload = "kube-flannel-ds"
    leftovers = Leftovers(
        folders=("/run/flannel",),
        processes=("flanneld",),
        nft_tables=("ip flannel-ipv4", "ip6 flannel-ipv6"),
        chain_prefix="FLANNEL",
        link_globs=("flannel.*", "flannel-v6.*"),
        node_links=("flannel.1", "flannel-v6.1"),
        node_paths=("/run/flannel", "/etc/cni/net.d/10-flannel.conflist"),
    )
    source = "https://github.com/flannel-io/flannel/blob/master/Documentation/configuration.md"

    def images(self, spec: ClusterSpec) -> Mapping[str, str]:
        """The published images of the version, or the images from the file. The bundle contains the published ones."""
        release = release_for(spec.version)
        version = (spec.cni.version or release.flannel).removeprefix("v")
        published = {
            "flannel": f"{_REGISTRY}/flannel:v{version}",
            "flannel-cni-plugin": f"{_REGISTRY}/flannel-cni-plugin:v{release.flannel_cni_plugin}",
        }
        return published | spec.cni.images

    def values(self, spec: ClusterSpec) -> dict[str, Any]:
        """Values for namespace, RBAC, ConfigMap and DaemonSet of this cluster's families, ranges, VXLAN port and MTU."""
        network = json.dumps(self.network_config(spec), sort_keys=True)
        return {
            "images": self.images(spec),
            "network_config": network,
            # a changed configuration must restart the daemons, which read it only at start
            "config_sha256": hashlib.sha256(network.encode()).hexdigest(),
            "loopback": "::1" if spec.stack is StackMode.IPV6 else "127.0.0.1",
        }

    def network_config(self, spec: ClusterSpec) -> dict[str, Any]:
        """flannel's net-conf.json: a range per family in use, the packet filter, and the backend."""
        from cluster.kubeadm.documents import proxy_mode  # only what renders documents needs it

        backend: dict[str, Any] = {"Type": "vxlan", "Port": self.vxlan_port(spec)}
        if spec.cni.mtu is not None:
            backend["MTU"] = spec.cni.mtu + OVERHEAD  # flannel expects the MTU of the link; the spec has the pod MTU
        ranges = {cidr.version: str(cidr) for cidr in spec.pod_ranges}
        config: dict[str, Any] = {
            "EnableIPv4": 4 in ranges,
            "EnableIPv6": 6 in ranges,
            # use the packet filter of kube-proxy
            "EnableNFTables": proxy_mode(spec) is ProxyMode.NFTABLES,
            "Backend": backend,
        }
        if 4 in ranges:
            config["Network"] = ranges[4]
        if 6 in ranges:
            config["IPv6Network"] = ranges[6]
        return config

    def nat(self, spec: ClusterSpec) -> dict[Family, bool]:
        """True in every family: flanneld runs with --ip-masq."""
        return dict.fromkeys(spec.families, True)

    def pod_addresses(self, spec: ClusterSpec, pods: PodNetwork) -> int:  # noqa: ARG002
        """The range of the node without its first address and its gateway, and without the broadcast address of IPv4
        (containernetworking/plugins, host-local, range.go)."""
        reserved = 3 if pods.cidr.version == 4 else 2
        return max(0, int(2 ** max(0, pods.cidr.max_prefixlen - pods.mask)) - reserved)

    def pod_mtu(self, spec: ResolvedSpec, facts: Mapping[str, HostFacts]) -> int | None:
        """The pod MTU to set, if flannel would choose a value that is too large.

        flannel subtracts 50 bytes from the MTU of its link in both families (flannel-io/flannel, pkg/backend/vxlan/device.go). Over IPv6, VXLAN needs
        70, and the first large packet of every connection would be rejected. With IPv6 the MTU is therefore set: the smallest link MTU minus 70.
        """
        if spec.cni.mtu is not None or Family.IPV6 not in spec.families:
            return spec.cni.mtu
        links = [facts[host.name].link_of(address) for host in spec.hosts if host.name in facts for address in host.addresses]
        mtus = [link.mtu for link in links if link is not None]
        return min(mtus) - VXLAN_OVERHEAD[Family.IPV6] if mtus else None
