"""Calico with VXLAN, without BGP, in every stack mode."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cluster.pod_networks.protocol import Leftovers, LocalPort, PodNetworkPlugin, PodNetworkRule, Release
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Family, Network, StackMode, family_of
from cluster.vocabulary.fixes import Fix, add, remove
from cluster.vocabulary.migration import NOTHING, Action
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.releases import release_for
from cluster.vocabulary.spec import DEFAULT_BLOCKS, ClusterSpec, Encapsulation, PodNetwork, Pools, ProxyMode

_IMAGE_NAMES = ("calico-node", "calico-cni", "calico-kube-controllers")
_REGISTRY = "quay.io/calico"

# kinds of group crd.projectcalico.org, version v1 (libcalico-go/config/crd); felix starts only when it can watch all of them
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
# blocks of one node; more only with a setting that sixstack does not make
_MOST_BLOCKS = 20
_NOT_FOR_NODES = {"ipamconfigs", "ipamhandles", "kubecontrollersconfigurations"}

# other CNI plug-ins in Calico's image
_REFERENCE_PLUGINS = ("bandwidth", "flannel", "host-local", "loopback", "portmap", "tuning")

# Felix uses the smallest MTU of the matching links: Felix's default pattern, plus bonds and links of containers
_LINKS = r"^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|em|bond|team|host|net|venet|wlan|wwan)[0-9].*)"


# Calico's limits of the block size (api/pkg/apis/projectcalico/v3, IPPoolSpec.BlockSize)
BLOCK_SIZES = {Family.IPV4: range(20, 33), Family.IPV6: range(116, 129)}


def no_pool_of_an_absent_family(spec: ClusterSpec) -> Iterator[Violation]:
    """`cni.pools` has settings for a family that the cluster does not use."""
    for family in Family:
        if family not in spec.families and spec.cni.pools.of(family) != Pools().of(family):
            message = f"the cluster has no {family.value} pods, because its stack is {spec.stack.value}"
            yield Violation(f"cni.pools.{family.value}", message, "remove it", remove(f"cni.pools.{family.value}"))


def block_size_is_of_the_family(spec: ClusterSpec) -> Iterator[Violation]:
    """The block size of a Calico pool is not within /20 to /32 for IPv4, /116 to /128 for IPv6."""
    for family in spec.families:
        size, sizes = spec.cni.pools.block_size(family), BLOCK_SIZES[family]
        if size not in sizes:
            message = f"/{size} is not within /{sizes.start} to /{sizes.stop - 1}, the sizes of Calico's {family.value} blocks"
            yield Violation(
                f"cni.pools.{family.value}.block_size",
                message,
                f"use {DEFAULT_BLOCKS[family]}",
                remove(f"cni.pools.{family.value}.block_size"),
            )


def every_host_gets_a_block(spec: ClusterSpec, pods: PodNetwork, at: str) -> Iterator[Violation]:
    """With Calico, a pod CIDR has fewer blocks than the cluster has hosts. Each host needs one block for its pods and its tunnel."""
    family = family_of(pods.cidr)
    size = spec.cni.pools.block_size(family)
    if size not in BLOCK_SIZES[family]:
        return
    blocks, hosts = _blocks(pods.cidr, size), len(spec.hosts)
    if blocks >= hosts:
        return
    found = "has no block" if not blocks else "has one block" if blocks == 1 else f"has {blocks} blocks"
    smaller = max(pods.cidr.prefixlen + (hosts - 1).bit_length(), BLOCK_SIZES[family].start)
    fix: Fix = ()
    hints = [f"a pod CIDR of /{size - (hosts - 1).bit_length()} or shorter"]
    if smaller in BLOCK_SIZES[family]:
        fix = _block_size_fix(spec, family, smaller)
        hints.append(f"cni: pools: {family.value}: block_size: {smaller} or longer")
    yield Violation(f"{at}.cidr", f"{pods.cidr} {found} of /{size}, but the cluster has {hosts} hosts", "use " + ", or ".join(hints), fix)


def _block_size_fix(spec: ClusterSpec, family: Family, size: int) -> Fix:
    """Set the size, with the mappings around it that the file lacks."""
    if "pools" not in spec.cni.model_fields_set:
        return add({family.value: {"block_size": size}}, "cni.pools")
    if family.value not in spec.cni.pools.model_fields_set:
        return add({"block_size": size}, f"cni.pools.{family.value}")
    return add(size, f"cni.pools.{family.value}.block_size")


def pods_without_nat_or_tunnel_need_routes(spec: ClusterSpec) -> Iterator[Violation]:
    """Calico's pods have no NAT or no encapsulation, so the surrounding network needs routes to the pods. sixstack does not use BGP."""
    for index, pods in readable(spec.network.pods):
        family = family_of(pods.cidr)
        pool = spec.cni.pools.of(family)
        if pool.encapsulation is Encapsulation.NEVER:
            message = f"packets of {pods.cidr} are not encapsulated, which works only between nodes in the same subnet"
            hint = f"put all nodes into one subnet, or write {Encapsulation.CROSS_SUBNET.value}"
            yield Violation(f"cni.pools.{family.value}.encapsulation", message, hint, remove(f"cni.pools.{family.value}.encapsulation"))
        if not pool.nat_outgoing:
            message = f"traffic that leaves the cluster has source addresses from {pods.cidr} (network.pods[{index}])"
            yield Violation(
                f"cni.pools.{family.value}.nat_outgoing",
                message,
                f"route {pods.cidr} to the nodes, or remove nat_outgoing",
                remove(f"cni.pools.{family.value}.nat_outgoing"),
            )


def _blocks(cidr: Network, size: int) -> int:
    return int(2 ** (size - cidr.prefixlen)) if size >= cidr.prefixlen else 0


class Calico(PodNetworkPlugin):
    """Calico: blocks of addresses out of pools, VXLAN between nodes, NetworkPolicy."""

    kind = CniKind.CALICO
    title = "Calico"
    settings = frozenset({"version", "images", "vxlan_port", "mtu", "pools"})
    image_names = _IMAGE_NAMES
    release = Release(3, 31, "other releases have other resource definitions and permissions")
    rules = (
        PodNetworkRule("cni-setting-unused", no_pool_of_an_absent_family),
        PodNetworkRule("block-size-out-of-range", block_size_is_of_the_family),
        PodNetworkRule("pool-too-small", every_host_gets_a_block, items="network.pods"),
        PodNetworkRule("pods-need-a-route", pods_without_nat_or_tunnel_need_routes, Severity.WARNING),
    )
    template = "cni/calico.yaml.j2"
    default_vxlan_port = 4789  # the registered port of VXLAN, Calico's default
    local_ports = (LocalPort(9099, "Felix's health check"),)
    policy = True
    drops_vxlan_from_non_nodes = True  # measured: felix accepts VXLAN only from node addresses
    pod_links = ("cali*", "vxlan.calico", "vxlan-v6.calico")
    # no `workload`: sixstack did not install a calico-node without its annotation (recognition.py)
    pools_path = "/apis/crd.projectcalico.org/v1/ippools"
    leftovers = Leftovers(
        folders=("/run/calico", "/var/lib/calico", "/var/log/calico"),
        processes=("calico-node",),
        nft_tables=("ip calico", "ip6 calico"),
        chain_prefix="cali",
        rule_comment="cali:",
        ipsets="^cali[46]0",
        link_globs=("cali*", "vxlan.calico", "vxlan-v6.calico"),
        node_links=("vxlan.calico", "vxlan-v6.calico"),
        node_paths=("/var/lib/calico", "/etc/cni/net.d/10-calico.conflist"),
        cni_programs=("calico", "calico-ipam"),
    )

    def images(self, spec: ClusterSpec) -> Mapping[str, str]:
        """The published images of the version, or the images from the file. The bundle contains the published ones."""
        version = (spec.cni.version or release_for(spec.version).calico).removeprefix("v")
        published = {name: f"{_REGISTRY}/{name.removeprefix('calico-')}:v{version}" for name in _IMAGE_NAMES}
        return published | spec.cni.images

    def values(self, spec: ClusterSpec) -> dict[str, Any]:
        """Values for resource definitions, RBAC, one pool per family, DaemonSet and controllers of this cluster's families, ranges, VXLAN port and MTU."""
        definitions = [
            {"kind": kind, "plural": plural, "scope": scope}
            for scope, kinds in (("Cluster", _CLUSTER_WIDE), ("Namespaced", _NAMESPACED))
            for kind, plural in kinds.items()
        ]
        return {
            "definitions": definitions,
            "watched": sorted({definition["plural"] for definition in definitions} - _NOT_FOR_NODES),
            "pools": self.pools(spec),
            "images": self.images(spec),
            "cni_config": json.dumps(self.cni_config(spec)),
            "reference_plugins": _REFERENCE_PLUGINS,
            "environment": self.environment(spec),
            "loopback": _loopback(spec),
        }

    def pools(self, spec: ClusterSpec) -> list[dict[str, Any]]:
        """One pool per pod range, primary family first, with the names of Calico's default pools."""
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

    def cni_config(self, spec: ClusterSpec) -> dict[str, Any]:
        """The CNI configuration on each host. Calico's install program replaces words between double underscores."""
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
                    # 0: the MTU that felix detects and writes to a file
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

    def environment(self, spec: ClusterSpec) -> dict[str, str]:
        """Environment of calico-node: VXLAN without BGP (https://docs.tigera.io/calico/latest/networking/configuring/vxlan-ipip), the addresses
        of the kubelet, and the packet filter of kube-proxy (https://docs.tigera.io/calico/latest/reference/felix/configuration)."""
        from cluster.kubeadm.documents import proxy_mode  # only what renders documents needs it

        values = {
            "DATASTORE_TYPE": "kubernetes",
            "WAIT_FOR_DATASTORE": "true",
            "CLUSTER_TYPE": "k8s",
            "CALICO_NETWORKING_BACKEND": "vxlan",
            # sixstack applies the pools: environment variables create wrong pools in IPv6-only (CALICO_IPV4POOL_CIDR=none)
            "NO_DEFAULT_POOLS": "true",
            "CALICO_DISABLE_FILE_LOGGING": "true",
            "FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
            "FELIX_HEALTHENABLED": "true",
            "FELIX_HEALTHHOST": _loopback(spec),
            "FELIX_IPV6SUPPORT": str(Family.IPV6 in spec.families).lower(),
            # same as kube-proxy
            "FELIX_NFTABLESMODE": "Enabled" if proxy_mode(spec) is ProxyMode.NFTABLES else "Disabled",
            "FELIX_VXLANPORT": str(self.vxlan_port(spec)),
            "FELIX_MTUIFACEPATTERN": _links(spec),
        }
        for variable, family in (("IP", Family.IPV4), ("IP6", Family.IPV6)):
            values[variable] = "autodetect" if family in spec.families else "none"
            if family in spec.families:
                values[f"{variable}_AUTODETECTION_METHOD"] = "kubernetes-internal-ip"
        if Family.IPV4 not in spec.families:
            values["CALICO_ROUTER_ID"] = "hash"  # the default is the IPv4 address
        if spec.cni.mtu is not None:
            values |= {"FELIX_VXLANMTU": str(spec.cni.mtu), "FELIX_VXLANMTUV6": str(spec.cni.mtu)}
        if any(pool["encapsulation"] == Encapsulation.NEVER.value for pool in self.pools(spec)):
            # routes to the pods of other nodes, which otherwise only BGP adds
            values["FELIX_PROGRAMCLUSTERROUTES"] = "Enabled"
        return dict(sorted(values.items()))

    def vxlan_families(self, spec: ClusterSpec) -> tuple[Family, ...]:
        """The families whose pool is encapsulated."""
        return tuple(family for family in spec.families if spec.cni.pools.of(family).encapsulation is not Encapsulation.NEVER)

    def nat(self, spec: ClusterSpec) -> dict[Family, bool]:
        """`nat_outgoing` of each pool."""
        return {family: spec.cni.pools.of(family).nat_outgoing for family in spec.families}

    def block_sizes(self, spec: ClusterSpec) -> dict[Network, int]:
        """The block size of each pool. Calico refuses to change the block size of an existing pool."""
        return {cidr: spec.cni.pools.block_size(family_of(cidr)) for cidr in spec.pod_ranges}

    def pod_addresses(self, spec: ClusterSpec, pods: PodNetwork) -> int | None:
        """All addresses of 20 blocks (projectcalico/calico, libcalico-go/lib/ipam/ipam.go), or an equal part of the pool. VXLAN needs one of them.
        None with a block size that block-size-out-of-range reports."""
        family = family_of(pods.cidr)
        size = spec.cni.pools.block_size(family)
        if size not in BLOCK_SIZES[family]:
            return None
        blocks = _MOST_BLOCKS * int(2 ** max(0, pods.cidr.max_prefixlen - size))
        return max(0, min(blocks, pods.cidr.num_addresses // len(spec.hosts)) - (family in self.vxlan_families(spec)))

    def migration(self, now: ClusterSpec, gone: Sequence[Network], *, ranges_changed: bool) -> Iterator[Action]:  # noqa: ARG002
        """Pools of removed ranges stay until someone deletes them."""
        if gone:
            yield Action(
                f"delete Calico's IPPool of {' and of '.join(map(str, gone))}",
                ("IPPools",),
                NOTHING,
                "the range of a pool is immutable, and new pools do not remove old ones",
                "https://docs.tigera.io/calico/latest/reference/resources/ippool",
            )


def _loopback(spec: ClusterSpec) -> str:
    return "::1" if spec.stack is StackMode.IPV6 else "127.0.0.1"


def _links(spec: ClusterSpec) -> str:
    """A regular expression of the links whose MTU counts: only the interfaces from the file if every host has one."""
    named = sorted({re.escape(host.interface) for host in spec.hosts if host.interface is not None})
    if all(host.interface is not None for host in spec.hosts):
        return f"^({'|'.join(named)})$"
    return _LINKS if not named else f"{_LINKS}|^({'|'.join(named)})$"
