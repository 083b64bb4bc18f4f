"""Fields of the kubelet's and kube-proxy's configuration: their names and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.rules.component_fields import KUBE_PROXY, FieldType, kubelet_fields
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
            if _expected(known, name) is None and name not in _TYPE_META:
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
            expected = _expected(known, name)
            if expected is not None and value is not None and not _has_type(expected, value):
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
            expected = _expected(known, name)
            if limit is not None and value is not None and expected is not None and _has_type(expected, value) and not limit.allows(value):
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
        if isinstance(value, dict) and _has_subfields(known, name):
            yield from _walk(known, value, f"{name}.", at)
        elif isinstance(value, list) and _has_subfields(known, f"{name}[]"):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _walk(known, item, f"{name}[].", f"{at}[{index}]")
                else:
                    yield f"{name}[]", f"{at}[{index}]", path, key, item
        else:
            yield name, at, path, key, value


def _expected(known: Mapping[str, FieldType], name: str) -> FieldType | None:
    if _has_subfields(known, f"{name}[]"):
        return FieldType.LIST
    return FieldType.MAPPING if _has_subfields(known, name) else known.get(name)


def _has_subfields(known: Mapping[str, FieldType], name: str) -> bool:
    return any(field.startswith(f"{name}.") for field in known)


def _has_type(expected: FieldType, value: Any) -> bool:  # noqa: PLR0911, PLR0912 one a kind
    from cluster.rules.component_values import is_quantity, nanoseconds

    match expected:
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case FieldType.STRING:
            return isinstance(value, str)
        case FieldType.INTEGER:
            return _is_integer(value, 31)
        case FieldType.INTEGER64:
            return _is_integer(value, 63)
        case FieldType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case FieldType.DURATION:
            return isinstance(value, str) and nanoseconds(value) is not None
        case FieldType.INTERVAL:
            return _is_integer(value, 63) or (isinstance(value, str) and nanoseconds(value) is not None)
        case FieldType.VERBOSITY:
            return _is_integer(value, 31) and value >= 0
        case FieldType.QUANTITY:
            return is_quantity(value)
        case FieldType.QUANTITY_MAP:
            return isinstance(value, dict) and all(is_quantity(item) for item in value.values())
        case FieldType.STRINGS_MAP:
            return isinstance(value, dict) and all(_is_strings(item) for item in value.values())
        case FieldType.STRINGS:
            return _is_strings(value)
        case FieldType.INTEGERS:
            return isinstance(value, list) and all(_is_integer(item, 31) for item in value)
        case FieldType.STRING_MAP:
            return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        case FieldType.BOOLEAN_MAP:
            return isinstance(value, dict) and all(isinstance(item, bool) for item in value.values())
        case FieldType.LIST:
            return isinstance(value, list)
        case FieldType.MAPPING:
            return isinstance(value, dict)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_integer(value: Any, bits: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
