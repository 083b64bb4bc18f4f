"""Labels and taints of nodes: their syntax, and the keys that Kubernetes or sixstack sets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cluster.rules.names import is_subdomain
from cluster.rules.registry import item_rule, spec_rule
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.labels import PREFIX, TKESTACK_KEYS, tkestack_labels
from cluster.vocabulary.partial import join_path, readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, Host

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
# key -> the component that sets it: it would overwrite the value, or fail because of another value
_OWNED = {
    "kubernetes.io/hostname": "the kubelet",
    "kubernetes.io/os": "the kubelet",
    "kubernetes.io/arch": "the kubelet",
    "beta.kubernetes.io/os": "the kubelet",
    "beta.kubernetes.io/arch": "the kubelet",
    "node-role.kubernetes.io/control-plane": "kubeadm",
    "node-role.kubernetes.io/master": "no current component",
}
# the node controllers set and remove these (k8s.io/api/core/v1, well_known_taints.go)
_OWNED_TAINTS = {
    f"node.kubernetes.io/{name}": "the node controllers"
    for name in (
        "not-ready",
        "unreachable",
        "unschedulable",
        "memory-pressure",
        "disk-pressure",
        "network-unavailable",
        "pid-pressure",
        "out-of-service",
    )
} | {"node.cloudprovider.kubernetes.io/uninitialized": "the kubelet"}


def key_fault(key: str) -> str | None:
    """The fault of a qualified name (`example.org/name`), or None."""
    prefix, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name):
        return f"the name {quoted(name)} must have 1 to 63 letters, digits, - _ . and begin and end with a letter or digit"
    if slash and not is_subdomain(prefix):
        return f"the prefix {quoted(prefix)} is not a lowercase DNS name"
    return None


def value_fault(value: str) -> str | None:
    """The fault of the value of a label or taint, or None."""
    if value and not _NAME.fullmatch(value):
        return f"{quoted(value)} must have at most 63 letters, digits, - _ . and begin and end with a letter or digit"
    return None


def label_owner(key: str, *, tkestack: bool = False) -> str | None:
    """The component that sets this node label; None when the file can set it. `tkestack`: sixstack also sets TKEStack's labels."""
    if key.startswith(PREFIX) or (tkestack and key in TKESTACK_KEYS):
        return "sixstack, from `addresses`,"
    return _OWNED.get(key)


def taint_owner(key: str) -> str | None:
    """The component that sets and removes this node taint; None when the file can set it."""
    return "sixstack" if key.startswith(PREFIX) else _OWNED_TAINTS.get(key)


@item_rule("malformed-label", "hosts")
def labels_are_qualified_names(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """The key of a label is not a qualified name, or its value is not a string of at most 63 characters of [A-Za-z0-9._-] that begins and ends with an alphanumeric character."""
    for key, value in host.labels.items():
        if (fault := key_fault(key) or value_fault(value)) is not None:
            yield Violation(join_path(f"{at}.labels", key), fault, "write for example example.org/rack: r1", remove(f"{at}.labels", key))


@item_rule("owned-label", "hosts")
def labels_have_no_other_owner(spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """The file sets a label that the kubelet, kubeadm or sixstack sets."""
    for key in host.labels:
        if (owner := label_owner(key, tkestack=spec.tkestack_labels)) is not None:
            yield Violation(
                join_path(f"{at}.labels", key),
                f"{owner} sets the label {quoted(key)}",
                "remove it, or use a key in your own domain",
                remove(f"{at}.labels", key),
            )


@spec_rule("tkestack-labels-alike", Severity.WARNING)
def tkestack_labels_tell_hosts_apart(spec: ClusterSpec) -> Iterator[Violation]:
    """Two hosts get the same TKEStack labels, which do not encode the whole IPv6 address. TKEStack's tools cannot distinguish the hosts."""
    if not spec.tkestack_labels:
        return
    owners: dict[tuple[str, ...], str] = {}
    for index, host in readable(spec.hosts):
        if not host.has("addresses"):
            continue
        for position, address in readable(host.addresses):
            path = f"hosts[{index}].addresses[{position}]"
            first = owners.setdefault(tuple(tkestack_labels([address]).values()), path)
            if first != path and address.version == 6:
                message = f"TKEStack's labels of {address} are the same as those of {first}"
                yield Violation(
                    path,
                    message,
                    "use an address that differs in more than its colons, or remove tkestack_labels",
                    remove("tkestack_labels"),
                )


@item_rule("malformed-taint", "hosts")
def taints_are_qualified_names(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """The key of a taint is not a qualified name, or its value does not have the syntax of a label value."""
    for index, taint in readable(host.taints):
        for field, fault in (("key", key_fault(taint.key)), ("value", value_fault(taint.value))):
            if fault is not None:
                yield Violation(
                    f"{at}.taints[{index}].{field}",
                    fault,
                    "write for example key: example.org/gpu, value: a100",
                    remove(f"{at}.taints[{index}]"),
                )


@item_rule("owned-taint", "hosts")
def taints_have_no_other_owner(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """The file sets a taint that the node controllers set and remove."""
    for index, taint in readable(host.taints):
        if (owner := taint_owner(taint.key)) is not None:
            yield Violation(
                f"{at}.taints[{index}].key",
                f"{owner} set the taint {quoted(taint.key)}",
                "remove it, or use a key in your own domain",
                remove(f"{at}.taints[{index}]"),
            )


@item_rule("duplicate-taint", "hosts")
def no_taint_twice(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """A node has two taints with the same key and effect."""
    seen: set[tuple[str, str]] = set()
    for index, taint in readable(host.taints):
        if (taint.key, taint.effect) in seen:
            yield Violation(
                f"{at}.taints[{index}]",
                f"{quoted(taint.key)} with effect {taint.effect} appears twice",
                "keep one of the two taints",
                remove(f"{at}.taints[{index}]"),
            )
        seen.add((taint.key, taint.effect))
