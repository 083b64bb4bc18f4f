"""Sizes of ranges: the limits of kubeadm, kube-apiserver and kube-controller-manager, and the needs of the hosts."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.pod_networks.plugins import pod_network
from cluster.rules.free_ranges import range_fix
from cluster.rules.registry import item_rule
from cluster.vocabulary.families import Network, family_of
from cluster.vocabulary.fixes import Fix, add, replace_by
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import ClusterSpec, PodNetwork
from cluster.vocabulary.special_ranges import unusable

# kube-apiserver's and kubeadm's limit on the host bits of a service range
_SERVICE_HOST_BITS = 20
# kubeadm, MinimumAddressesInServiceSubnet: the DNS service has the tenth address
_SERVICE_ADDRESSES = 10
# kubeadm, MinimumAddressesInPodSubnet; applied here to the range of each node
_NODE_ADDRESSES = 14
# kubeadm, PodSubnetNodeMaskMaxDiff: kube-controller-manager keeps a bitmap of the node ranges
_MASK_DISTANCE = 16
# kubelet, default of maxPods
_MAX_PODS = 110


@item_rule("service-range-too-large", "network.services")
def service_range_has_at_most_20_host_bits(spec: ClusterSpec, cidr: Network, at: str) -> Iterator[Violation]:
    """A service CIDR has more than 20 host bits, which kube-apiserver refuses. Use IPv4 /12 or longer, IPv6 /108 or longer (/112 recommended)."""
    bits = cidr.max_prefixlen - cidr.prefixlen
    # rule unusable-range reports the others
    if bits > _SERVICE_HOST_BITS and unusable(cidr) is None:
        fix = range_fix(spec, at, "service", cidr.version)
        longest = cidr.max_prefixlen - _SERVICE_HOST_BITS
        message = f"{cidr} has {bits} host bits, but the API server accepts at most {_SERVICE_HOST_BITS} (/{longest} or longer)"
        hint = f"use a range of /{longest} or longer" + (f", such as {fix[0].value}" if fix else "")
        yield Violation(at, message, hint, fix)


@item_rule("service-range-too-small", "network.services")
def service_range_has_10_addresses(spec: ClusterSpec, cidr: Network, at: str) -> Iterator[Violation]:
    """A service CIDR has fewer than 10 addresses. The DNS service of the cluster has the tenth (kubeadm)."""
    if cidr.num_addresses < _SERVICE_ADDRESSES:
        message = f"{cidr} has {cidr.num_addresses} addresses, but the cluster needs at least {_SERVICE_ADDRESSES}"
        fix = range_fix(spec, at, "service", cidr.version)
        hint = f"use a range of /{cidr.max_prefixlen - 4} or shorter" + (f", such as {fix[0].value}" if fix else "")
        yield Violation(at, message, hint, fix)


@item_rule("node-mask-too-long", "network.pods")
def node_mask_is_of_the_family(spec: ClusterSpec, pods: PodNetwork, at: str) -> Iterator[Violation]:
    """A node mask leaves fewer than 14 addresses per node. Use /28 or shorter for IPv4, /124 or shorter for IPv6."""
    longest = pods.cidr.max_prefixlen - 4
    if pods.mask > longest:
        count = 2 ** max(0, pods.cidr.max_prefixlen - pods.mask)
        detail = f"leaves {count} addresses per node" if pods.mask <= pods.cidr.max_prefixlen else "is longer than an address"
        hint, fix = _good_mask(spec, pods, at)
        yield Violation(
            f"{at}.node_mask",
            f"node mask /{pods.mask} of {pods.cidr} {detail}, but a node needs at least {_NODE_ADDRESSES} addresses",
            hint,
            fix,
        )


@item_rule("node-mask-too-short", "network.pods")
def node_mask_is_inside_the_range(spec: ClusterSpec, pods: PodNetwork, at: str) -> Iterator[Violation]:
    """The range of a node is larger than the pod CIDR. The node mask must not be shorter than the pod mask (kubeadm; the defaults are /24 and /64)."""
    if pods.mask < pods.cidr.prefixlen:
        given = f"node mask /{pods.mask}" if pods.node_mask is not None else f"the default node mask /{pods.mask}"
        yield Violation(f"{at}.node_mask", f"{given} is a larger range than {pods.cidr}", *_good_mask(spec, pods, at))


@item_rule("node-mask-too-far", "network.pods")
def node_mask_is_at_most_16_longer(spec: ClusterSpec, pods: PodNetwork, at: str) -> Iterator[Violation]:
    """The node mask is more than 16 bits longer than the pod mask (kubernetes#112367). With node mask /64, an IPv6 pod CIDR is /48 to /64."""
    # node-mask-too-long reports a mask that the family cannot have
    if pods.cidr.max_prefixlen - 4 >= pods.mask > pods.cidr.prefixlen + _MASK_DISTANCE:
        yield Violation(
            f"{at}.node_mask",
            f"node mask /{pods.mask} is {pods.mask - pods.cidr.prefixlen} bits longer than the mask of {pods.cidr}, but at most {_MASK_DISTANCE} are possible",
            *_good_mask(spec, pods, at),
        )


@item_rule("pod-range-too-small", "network.pods")
def every_host_gets_a_pod_range(spec: ClusterSpec, pods: PodNetwork, at: str) -> Iterator[Violation]:
    """The pod CIDR has fewer node ranges than the cluster has hosts. Their number is 2^(node mask - pod mask) (kube-controller-manager, NodeIPAM)."""
    hosts = len(spec.hosts)
    if pods.mask < pods.cidr.prefixlen or pods.node_ranges >= hosts:
        return
    ranges = "one node range" if pods.node_ranges == 1 else f"{pods.node_ranges} node ranges"
    message = f"{pods.cidr} has {ranges} of /{pods.mask}, but the cluster has {hosts} hosts"
    yield Violation(f"{at}.cidr", message, *_good_mask(spec, pods, at))


@item_rule("max-pods-above-range", "network.pods", Severity.WARNING)
def every_pod_of_a_node_gets_an_address(spec: ClusterSpec, pods: PodNetwork, at: str) -> Iterator[Violation]:
    """The kubelet accepts more pods than a node has pod addresses. The rest of the pods waits for an address, although the node looks free."""
    # other rules report a mask that is impossible
    if not pods.cidr.prefixlen <= pods.mask <= pods.cidr.max_prefixlen - 4:
        return
    where, most = _max_pods(spec)
    plugin = pod_network(spec)
    usable = plugin.pod_addresses(spec, pods)
    if most is None or usable is None or usable >= most:
        return
    hints = [f"maxPods: {usable} in kubeadm.kubelet"] if usable > 0 else []
    masks = tuple(_sufficient_masks(spec, pods, most))
    hints += [f"node_mask: {mask} or shorter" for mask in masks]
    blocks = "pools" in plugin.settings
    if blocks:
        hints.append(f"a larger pod CIDR, or a shorter block_size in cni.pools.{family_of(pods.cidr).value}")
    message = f"a node may run {most} pods, but {plugin.title} has {usable} addresses of {pods.cidr} for the pods of a node"
    field = "cidr" if blocks else "node_mask"
    fix: Fix = add(masks[0], f"{at}.node_mask") if masks else ()
    if where is not None and usable > 0:  # an argument is a string
        fix = replace_by(str(usable) if ".extra_args." in where else usable, where)
    yield Violation(where or f"{at}.{field}", message, "write " + ", or ".join(hints or ["a shorter node_mask"]), fix)


def _max_pods(spec: ClusterSpec) -> tuple[str | None, int | None]:
    """Path and value of the kubelet's limit of pods; no path for its default, no value for a fault that other rules report."""
    argument = spec.kubeadm.extra_args.get("kubelet", {}).get("max-pods")
    if argument is not None:  # overrides the field
        is_number = argument.isascii() and argument.isdigit() and len(argument) <= 10
        return "kubeadm.extra_args.kubelet.max-pods", int(argument) if is_number else None
    field = spec.kubeadm.kubelet.get("maxPods")
    if field is None:
        return None, _MAX_PODS
    number = isinstance(field, int) and not isinstance(field, bool) and 0 <= field < 2**31
    return "kubeadm.kubelet.maxPods", field if number else None


def _sufficient_masks(spec: ClusterSpec, pods: PodNetwork, most: int) -> Iterator[int]:
    """The longest node mask with an address for each pod, if the plug-in uses it and every host still gets a range."""
    for mask in range(pods.mask - 1, max(pods.cidr.prefixlen, pods.cidr.prefixlen + (len(spec.hosts) - 1).bit_length()) - 1, -1):
        usable = pod_network(spec).pod_addresses(spec, pods.model_copy(update={"node_mask": mask}))
        if usable is not None and usable >= most:
            yield mask
            return


def _good_mask(spec: ClusterSpec, pods: PodNetwork, at: str) -> tuple[str, Fix]:
    """Hint and fix: a node mask that this range can have, and another range."""
    longest = pods.cidr.max_prefixlen - 4
    bits = (len(spec.hosts) - 1).bit_length() if spec.has("hosts") else 8
    default = 24 if pods.cidr.version == 4 else 64
    shortest, farthest = pods.cidr.prefixlen + bits, min(longest, pods.cidr.prefixlen + _MASK_DISTANCE)
    free = range_fix(spec, f"{at}.cidr", "pod", pods.cidr.version)
    wider = f"the pod CIDR {free[0].value['cidr']} without node_mask" if free else "a larger pod CIDR"
    if shortest > farthest:
        return f"use {wider}", free
    mask = default if shortest <= default <= farthest else min(farthest, pods.cidr.prefixlen + max(8, bits))
    if free and not _is_sufficient(spec, pods, mask):
        return f"use {wider}, or node_mask: {mask}", free
    return f"use node_mask: {mask}, or {wider}", add(mask, f"{at}.node_mask")


def _is_sufficient(spec: ClusterSpec, pods: PodNetwork, mask: int) -> bool:
    """Whether every pod of a node gets an address with this node mask, as far as this is known."""
    _, most = _max_pods(spec)
    if most is None or not spec.has("hosts"):
        return True
    usable = pod_network(spec).pod_addresses(spec, pods.model_copy(update={"node_mask": mask}))
    return usable is None or usable >= most
