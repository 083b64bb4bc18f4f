"""Fields of the kubelet's and kube-proxy's configuration: their names and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.rules.component_fields import KUBE_PROXY, FieldType, expected_type, has_subfields, has_type, kubelet_fields
from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.releases import minor_of, minor_text
from cluster.vocabulary.spec import ClusterSpec

# rule owned-field reports these
_TYPE_META = ("apiVersion", "kind")


@spec_rule("unknown-component-field")
def component_fields_are_known(spec: ClusterSpec) -> Iterator[Violation]:
    """A field of `kubeadm.kubelet` or `kubeadm.kube_proxy` is unknown to Kubernetes. kubeadm decodes strictly."""
    for known, values, path in _components(spec):
        for name, at, holder, last, _ in _walk(known, values, "", path):
            if expected_type(known, name) is None and name not in _TYPE_META:
                parent = name[: -len(last)].removesuffix(".")
                inside = len(parent) + 1 if parent else 0
                near = nearest_name(
                    last, sorted({field[inside:].partition(".")[0] for field in known if field[:inside].rstrip(".") == parent})
                )
                hint = f"did you mean {near}?" if near else "see the configuration reference of the component"
                fix = remove(holder, last)
                yield Violation(at, f"Kubernetes {minor_text(minor_of(spec.version))} has no field {quoted(name)}", hint, fix)


@spec_rule("component-field-type")
def component_fields_have_their_type(spec: ClusterSpec) -> Iterator[Violation]:
    """A field of `kubeadm.kubelet` or `kubeadm.kube_proxy` has a value of the wrong type."""
    for known, values, path in _components(spec):
        for name, at, _, _, value in _walk(known, values, "", path):
            expected = expected_type(known, name)
            if expected is not None and value is not None and not has_type(expected, value):
                yield Violation(at, f"expected {expected.value}, got {quoted(value)}", f"write {expected.value}", remove(at))


@spec_rule("component-field-value")
def component_fields_have_possible_values(spec: ClusterSpec) -> Iterator[Violation]:
    """A field of `kubeadm.kubelet` or `kubeadm.kube_proxy` has a value that the component refuses when it starts."""
    for known, values, path in _components(spec):
        # here, because a file without such fields does not need the table
        from cluster.rules.component_values import kube_proxy_limits, kubelet_limits

        minor = minor_of(spec.version)
        limits = (kube_proxy_limits if known is KUBE_PROXY else kubelet_limits)(minor)
        for name, at, _, _, value in _walk(known, values, "", path):
            limit = limits.get(name)
            expected = expected_type(known, name)
            if limit is None or value is None or expected is None or not has_type(expected, value) or limit.allows(value):
                continue
            for item in (items := limit.wrong_items(value)):
                inside, fix = (
                    (f"{at}[{item}]", remove(f"{at}[{item}]")) if isinstance(item, int) else (join_path(at, item), remove(at, item))
                )
                name_of = f"{quoted(item)}: " if isinstance(item, str) else ""
                yield Violation(inside, f"{name_of}{quoted(value[item])} is not {limit.words}", f"write {limit.words}", fix)
            if not items:
                yield Violation(at, f"{quoted(value)} is not {limit.words}", f"write {limit.words}", remove(at))


def _components(spec: ClusterSpec) -> Iterator[tuple[dict[str, FieldType], dict[str, Any], str]]:
    # most files have neither, and then no table is built
    if spec.kubeadm.has("kubelet") and spec.kubeadm.kubelet:
        yield kubelet_fields(minor_of(spec.version)), spec.kubeadm.kubelet, "kubeadm.kubelet"
    if spec.kubeadm.has("kube_proxy") and spec.kubeadm.kube_proxy:
        yield KUBE_PROXY, spec.kubeadm.kube_proxy, "kubeadm.kube_proxy"


def _walk(known: Mapping[str, FieldType], values: dict[str, Any], prefix: str, path: str) -> Iterator[tuple[str, str, str, str, Any]]:
    """Name, path, path of the mapping around it, key and value of every leaf field, and of every field that must be a mapping but is not."""
    for key, value in values.items():
        name, at = prefix + key, join_path(path, key)
        if isinstance(value, dict) and has_subfields(known, name):
            yield from _walk(known, value, f"{name}.", at)
        elif isinstance(value, list) and has_subfields(known, f"{name}[]"):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _walk(known, item, f"{name}[].", f"{at}[{index}]")
                else:
                    yield f"{name}[]", f"{at}[{index}]", path, key, item
        else:
            yield name, at, path, key, value
