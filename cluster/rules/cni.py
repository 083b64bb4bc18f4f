"""Settings of the pod network: the rules for every plug-in, and the rules of each plug-in (cluster/pod_networks/)."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubeadm.component_settings import component_ports, node_ports
from cluster.pod_networks.plugins import POD_NETWORKS, pod_network
from cluster.pod_networks.protocol import PodNetworkPlugin, PodNetworkRule
from cluster.rules.registry import SpecRule, item_rule, spec_rule
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, Cni

_DEFAULTS = Cni.model_construct()


@spec_rule("vxlan-port-is-node-port")
def vxlan_port_is_no_node_port(spec: ClusterSpec) -> Iterator[Violation]:
    """The UDP port of VXLAN is a node port, which a service can allocate."""
    plugin = pod_network(spec)
    port = plugin.vxlan_port(spec)
    ports = node_ports(spec)
    # node-ports-contain-component-port reports a range that contains ports of the components too
    if port in ports and not any(component.port in ports for component in component_ports(spec)):
        message = f"{port} is within the node ports {ports.start} to {ports.stop - 1}"
        default = plugin.default_vxlan_port
        usable = default not in ports
        yield Violation(
            "cni.vxlan_port",
            message,
            f"use {default}, or another port outside this range" if usable else "use a port outside this range",
            remove("cni.vxlan_port") if usable else (),
        )


@spec_rule("cni-setting-unused")
def every_setting_is_used(spec: ClusterSpec) -> Iterator[Violation]:
    """The file sets a field of `cni` that its kind does not use."""
    plugin = pod_network(spec)
    for name in Cni.model_fields:
        if name == "kind" or name in plugin.settings or not spec.cni.has(name):
            continue
        # network-policy-differs reports it
        if name == "network_policy" and plugin.policy is False and spec.cni.network_policy:
            continue
        if getattr(spec.cni, name) != getattr(_DEFAULTS, name):
            wanted = " or ".join(f"kind: {other.kind.value}" for other in POD_NETWORKS.values() if name in other.settings)
            yield Violation(
                f"cni.{name}", f"kind {plugin.kind.value} does not use this setting", f"remove it, or write {wanted}", remove(f"cni.{name}")
            )


@spec_rule("cni-image-unknown")
def images_are_those_of_the_kind(spec: ClusterSpec) -> Iterator[Violation]:
    """`cni.images` has a name that the plug-in does not use."""
    plugin = pod_network(spec)
    for name in spec.cni.images if plugin.image_names else ():
        if name not in plugin.image_names:
            message = f"{plugin.kind.value} has no image {quoted(name)}"
            yield Violation(
                join_path("cni.images", name), message, f"use one of {', '.join(plugin.image_names)}", remove("cni.images", name)
            )


@spec_rule("cni-version-unsupported")
def version_is_one_our_manifest_fits(spec: ClusterSpec) -> Iterator[Violation]:
    """The version of the plug-in belongs to another release than the manifests of sixstack."""
    plugin = pod_network(spec)
    if plugin.release is None or spec.cni.version is None:
        return
    release = plugin.release
    version = spec.cni.version.removeprefix("v")
    if [int(part) for part in version.split(".")[:2]] != [release.major, release.minor]:
        message = f"the manifests of sixstack are for {plugin.kind.value} {release}, not {version}: {release.why}"
        yield Violation(
            "cni.version", message, f"use a version of {release}, or `kind: manifests` with the files of {version}", remove("cni.version")
        )


@spec_rule("network-policy-differs")
def network_policy_is_what_the_plugin_does(spec: ClusterSpec) -> Iterator[Violation]:
    """`cni.network_policy` contradicts the plug-in: flannel does not enforce NetworkPolicy, Calico does."""
    plugin, expected = pod_network(spec), spec.cni.network_policy
    if plugin.policy is False and expected:
        enforcing = " or ".join(f"`kind: {other.kind.value}`" for other in POD_NETWORKS.values() if other.policy)
        yield Violation(
            "cni.network_policy",
            f"{plugin.title} does not enforce NetworkPolicy",
            f"write {enforcing}, or remove this setting",
            remove("cni.network_policy"),
        )
    if plugin.policy is True and expected is False:
        yield Violation(
            "cni.network_policy",
            f"{plugin.title} enforces every NetworkPolicy",
            "remove this setting, and create no policies",
            remove("cni.network_policy"),
        )


def _of_its_kind(plugin: PodNetworkPlugin, check: SpecRule) -> SpecRule:
    def on_its_kind(spec: ClusterSpec) -> Iterator[Violation]:
        if pod_network(spec) is plugin:
            yield from check(spec)

    on_its_kind.__doc__ = check.__doc__
    return on_its_kind


def _register(plugin: PodNetworkPlugin, rule: PodNetworkRule) -> None:
    if not rule.items:
        spec_rule(rule.code, rule.severity)(_of_its_kind(plugin, rule.check))
        return

    def on_its_kind(spec: ClusterSpec, item: object, at: str) -> Iterator[Violation]:
        if pod_network(spec) is plugin:
            yield from rule.check(spec, item, at)

    on_its_kind.__doc__ = rule.check.__doc__
    item_rule(rule.code, rule.items, rule.severity)(on_its_kind)


for _plugin in POD_NETWORKS.values():
    for _rule in _plugin.rules:
        _register(_plugin, _rule)
