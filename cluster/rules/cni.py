"""The pod network plug-in's settings."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.rules.rule import Finding, rule, rule_each
from cluster.vocabulary.families import Family, Network, family_of
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Severity
from cluster.vocabulary.spec import DEFAULT_BLOCKS, VXLAN_PORTS, ClusterSpec, Cni, CniKind, Encapsulation, PodNetwork

# kube-apiserver, --service-node-port-range
_NODE_PORTS = range(30000, 32768)
# the releases that our manifests are written for, and what is wrong with older ones
_RELEASES = {
    CniKind.FLANNEL: ((0, 28), "older ones lack the nftables mode, and panic where IPv6 comes first (flannel#1629)"),
    CniKind.CALICO: ((3, 31), "other ones have other resource definitions and rights"),
}
# the names under which images can be set
IMAGE_NAMES = {
    CniKind.FLANNEL: ("flannel", "flannel-cni-plugin"),
    CniKind.CALICO: ("calico-node", "calico-cni", "calico-kube-controllers"),
}
# which kinds make use of a setting; `kind` alone is everybody's
_USED_BY = {
    "version": (CniKind.FLANNEL, CniKind.CALICO),
    "images": (CniKind.FLANNEL, CniKind.CALICO),
    "vxlan_port": (CniKind.FLANNEL, CniKind.CALICO),
    "mtu": (CniKind.FLANNEL, CniKind.CALICO),
    "pools": (CniKind.CALICO,),
    "network_policy": (CniKind.MANIFESTS, CniKind.NONE),
    "files": (CniKind.MANIFESTS,),
}
_DEFAULTS = Cni()
# Calico's limits of a block (api/pkg/apis/projectcalico/v3, IPPoolSpec.BlockSize)
BLOCK_SIZES = {Family.IPV4: range(20, 33), Family.IPV6: range(116, 129)}


@rule("vxlan-port-is-node-port")
def vxlan_port_is_no_node_port(spec: ClusterSpec) -> Iterator[Finding]:
    """VXLAN's UDP port lies outside of the node ports, any of which a service may take."""
    if spec.cni.kind in VXLAN_PORTS and spec.cni.udp_port in _NODE_PORTS:
        says = f"{spec.cni.udp_port} is within the node ports {_NODE_PORTS.start} to {_NODE_PORTS.stop - 1}"
        yield Finding("cni.vxlan_port", says, f"use {VXLAN_PORTS[spec.cni.kind]}, or another port outside of them")


@rule("cni-setting-unused")
def every_setting_is_used(spec: ClusterSpec) -> Iterator[Finding]:
    """Each setting of `cni` is one that its kind makes use of: who sets another one expects something that does not come."""
    kind = spec.cni.kind
    for name, kinds in _USED_BY.items():
        if kind not in kinds and spec.cni.has(name) and getattr(spec.cni, name) != getattr(_DEFAULTS, name):
            wanted = " or ".join(f"kind: {each.value}" for each in kinds)
            yield Finding(f"cni.{name}", f"kind {kind.value} makes no use of it", f"take it out, or write {wanted}")
    if kind is CniKind.CALICO:
        for family in Family:
            if family not in spec.families and spec.cni.pools.of(family) != _DEFAULTS.pools.of(family):
                says = f"the cluster has no {family.value} pods: its stack is {spec.stack.value}"
                yield Finding(f"cni.pools.{family.value}", says, "take it out")


@rule("cni-files-missing")
def manifests_come_from_files(spec: ClusterSpec) -> Iterator[Finding]:
    """The kind `manifests` names one file at least."""
    if spec.cni.kind is CniKind.MANIFESTS and not spec.cni.files:
        yield Finding(
            "cni.files", "there are no files to apply", "write `files: [my-network.yaml]`, or `kind: none` to apply them yourself"
        )


@rule("cni-image-unknown")
def images_are_those_of_the_kind(spec: ClusterSpec) -> Iterator[Finding]:
    """An image is set under a name that the plug-in has."""
    names = IMAGE_NAMES.get(spec.cni.kind, ())
    for name in spec.cni.images if names else ():
        if name not in names:
            yield Finding(f"cni.images.{name}", f"{spec.cni.kind.value} has no image {name}", f"its images are {', '.join(names)}")


@rule("cni-version-unsupported")
def version_is_one_our_manifest_fits(spec: ClusterSpec) -> Iterator[Finding]:
    """The version of flannel or Calico is of the release that our manifests are written for."""
    if spec.cni.kind not in _RELEASES or spec.cni.version is None:
        return
    release, why = _RELEASES[spec.cni.kind]
    written = f"{release[0]}.{release[1]}"
    found = spec.cni.version.removeprefix("v")
    if tuple(int(part) for part in found.split(".")[:2]) != release:
        says = f"our manifest is for {spec.cni.kind.value} {written}, not {found}: {why}"
        yield Finding("cni.version", says, f"use a version of {written}, or `kind: manifests` with the files of {found}")


@rule("network-policy-differs")
def network_policy_is_what_the_plugin_does(spec: ClusterSpec) -> Iterator[Finding]:
    """NetworkPolicy is expected of a plug-in that enforces it, and of no other."""
    asked = spec.cni.network_policy
    if spec.cni.kind is CniKind.FLANNEL and asked:
        yield Finding("cni.network_policy", "flannel enforces no NetworkPolicy", "write `kind: calico`, or take it out")
    if spec.cni.kind is CniKind.CALICO and asked is False:
        yield Finding("cni.network_policy", "Calico enforces every NetworkPolicy", "take it out, and write no policies")


@rule("block-size-out-of-range")
def block_size_is_of_the_family(spec: ClusterSpec) -> Iterator[Finding]:
    """Calico's blocks are /20 to /32 for IPv4, /116 to /128 for IPv6."""
    if spec.cni.kind is not CniKind.CALICO:
        return
    for family in spec.families:
        size, sizes = spec.cni.pools.block_size(family), BLOCK_SIZES[family]
        if size not in sizes:
            says = f"/{size} is not within /{sizes.start} to /{sizes.stop - 1}, Calico's blocks of {family.value}"
            yield Finding(f"cni.pools.{family.value}.block_size", says, f"use {DEFAULT_BLOCKS[family]}")


@rule_each("pool-too-small", "network.pods")
def every_host_gets_a_block(spec: ClusterSpec, pods: PodNetwork, at: str) -> Iterator[Finding]:
    """With Calico a pod CIDR holds a block for each host, which is all that the host's pods and its tunnel get at first."""
    family = family_of(pods.cidr)
    size = spec.cni.pools.block_size(family)
    if spec.cni.kind is not CniKind.CALICO or size not in BLOCK_SIZES[family]:
        return
    blocks, hosts = _blocks(pods.cidr, size), len(spec.hosts)
    if blocks >= hosts:
        return
    found = "holds no block" if not blocks else "holds one block" if blocks == 1 else f"holds {blocks} blocks"
    smaller = max(pods.cidr.prefixlen + (hosts - 1).bit_length(), BLOCK_SIZES[family].start)
    hints = [f"a pod CIDR of /{size - (hosts - 1).bit_length()} or shorter"]
    if smaller in BLOCK_SIZES[family]:
        hints.append(f"cni: pools: {family.value}: block_size: {smaller} or longer")
    yield Finding(f"{at}.cidr", f"{pods.cidr} {found} of /{size}, the cluster has {hosts} hosts", "use " + ", or ".join(hints))


@rule("pods-need-a-route", Severity.WARNING)
def pods_without_nat_or_tunnel_need_routes(spec: ClusterSpec) -> Iterator[Finding]:
    """Without NAT, or without encapsulation, the network around the nodes must know the way to pods: nothing tells it (no BGP)."""
    if spec.cni.kind is not CniKind.CALICO:
        return
    for index, pods in readable(spec.network.pods):
        family = family_of(pods.cidr)
        pool = spec.cni.pools.of(family)
        if pool.encapsulation is Encapsulation.NEVER:
            says = f"packets of {pods.cidr} go from node to node as they are, which works between nodes of one subnet"
            hint = f"see that all nodes are neighbours, or write {Encapsulation.CROSS_SUBNET.value}"
            yield Finding(f"cni.pools.{family.value}.encapsulation", says, hint)
        if not pool.nat_outgoing:
            says = f"pods leave the cluster with addresses of {pods.cidr} (network.pods[{index}])"
            yield Finding(f"cni.pools.{family.value}.nat_outgoing", says, f"route {pods.cidr} to the nodes, or take nat_outgoing out")


def _blocks(cidr: Network, size: int) -> int:
    return int(2 ** (size - cidr.prefixlen)) if size >= cidr.prefixlen else 0
