"""Families of ranges and addresses, and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import Address, Family, Network, StackMode, family_name, family_names, family_of
from cluster.vocabulary.fixes import add, remove, replace_by
from cluster.vocabulary.partial import PartialTuple, readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import ClusterSpec, PodNetwork, Unparsed

_POD_EXAMPLES = {Family.IPV4: "10.244.0.0/16", Family.IPV6: "fd44::/56"}
_SERVICE_EXAMPLES = {Family.IPV4: "10.96.0.0/16", Family.IPV6: "fd44:0:0:ffff::/112"}


_POD_OR_SERVICE = {"pod CIDR": '{{cidr: "{}"}}', "service CIDR": '"{}"'}


def families_meant(spec: ClusterSpec) -> tuple[Family, ...]:
    """The families of the file's ranges and addresses when all of them agree, else those of `stack`. Rules about other values use these, so that a
    wrong `stack` or `primary_family` is one problem."""
    try:
        return _families_in(spec) or spec.families
    except Unparsed:
        return spec.families


@spec_rule("stack-differs")
def stack_is_that_of_the_ranges(spec: ClusterSpec) -> Iterator[Violation]:
    """All ranges and addresses have the same families, and `stack` has others."""
    found = _families_in(spec)
    if found and set(found) != set(spec.families):
        stack = StackMode.DUAL_STACK if len(found) == 2 else StackMode(found[0].value)
        fix = add(stack.value, "stack") + (add(found[0].value, "primary_family") if "primary_family" in spec.model_fields_set else ())
        message = f"stack is {spec.stack}, but all ranges and addresses are {family_names(found)}"
        yield Violation("stack", message, f"write stack: {stack}, or change all ranges and addresses", fix)


@spec_rule("primary-family-differs")
def primary_family_is_that_of_the_ranges(spec: ClusterSpec) -> Iterator[Violation]:
    """All ranges and addresses are in the same order, and `primary_family` is the other family."""
    found = _families_in(spec)
    if len(found) == 2 and set(found) == set(spec.families) and found != spec.families:
        message = f"the primary family is {family_name(spec.families[0])}, but all ranges and addresses have {family_name(found[0])} first"
        hint = f"write primary_family: {found[0]}, or write all ranges and addresses in the other order"
        yield Violation("primary_family", message, hint, add(found[0].value, "primary_family"))


@spec_rule("pod-families")
def pods_have_the_families_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """The file does not have exactly one pod CIDR for each family in use (kubeadm, ValidateIPNetFromString)."""
    pods = list(spec.network.pods)
    written = {cidr.cidr: _as_written(cidr) for cidr in pods}
    yield from _families(
        spec,
        "network.pods",
        [cidr.cidr for cidr in pods],
        "pod CIDR",
        {family: {"cidr": cidr} for family, cidr in _POD_EXAMPLES.items()},
        written,
        families_meant(spec),
    )


@spec_rule("service-families")
def services_have_the_families_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """The file does not have exactly one service CIDR for each family in use (kubeadm, ValidateIPNetFromString)."""
    written = {cidr: str(cidr) for cidr in spec.network.services}
    yield from _families(spec, "network.services", spec.network.services, "service CIDR", _SERVICE_EXAMPLES, written, families_meant(spec))


@spec_rule("address-families")
def addresses_have_the_families_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """A host does not have exactly one address for each family in use. The kubelet's --node-ip accepts one address, or one address per family, and dual-stack
    on bare metal needs both on every host (kubernetes#100675). `addresses` is optional."""
    meant = families_meant(spec)
    for at, addresses in _addresses_of_hosts(spec):
        yield from _families(spec, at, addresses, "node address", {}, {}, meant)


@spec_rule("pod-order")
def pods_are_primary_first(spec: ClusterSpec) -> Iterator[Violation]:
    """The first pod CIDR is not of the primary family."""
    pods = list(spec.network.pods)
    yield from _order(spec, "network.pods", [cidr.cidr for cidr in pods], [_as_written(cidr) for cidr in pods], families_meant(spec))


@spec_rule("service-order")
def services_are_primary_first(spec: ClusterSpec) -> Iterator[Violation]:
    """The first service CIDR, the advertise address and the first node address have different families (kubeadm#2754)."""
    yield from _order(spec, "network.services", spec.network.services, [str(cidr) for cidr in spec.network.services], families_meant(spec))


@spec_rule("address-order")
def addresses_are_primary_first(spec: ClusterSpec) -> Iterator[Violation]:
    """The first service CIDR, the advertise address and the first node address have different families (kubeadm#2754)."""
    meant = families_meant(spec)
    for at, addresses in _addresses_of_hosts(spec):
        yield from _order(spec, at, addresses, [str(address) for address in addresses], meant)


@spec_rule("primary-family-unused", Severity.WARNING)
def primary_family_is_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """`primary_family` has no effect in a single-stack cluster."""
    unused = "primary_family" in spec.model_fields_set and spec.primary_family not in spec.families
    # stack-differs reports a wrong stack
    if unused and families_meant(spec) == spec.families:
        message = f"{spec.primary_family} is not in use in a cluster with stack {spec.stack}"
        yield Violation("primary_family", message, "remove the line", remove("primary_family"))


def _addresses_of_hosts(spec: ClusterSpec) -> Iterator[tuple[str, tuple[Address, ...]]]:
    """Path and addresses of every host with addresses that could all be read."""
    for index, host in readable(spec.hosts):
        addresses = host.addresses if host.has("addresses") else ()
        if addresses and not isinstance(addresses, PartialTuple):
            yield f"hosts[{index}].addresses", addresses


def _as_written(pods: PodNetwork) -> dict[str, Any]:
    """The fields of the file. pydantic would build a serializer, which takes as long as the whole check."""
    mask = {"node_mask": pods.node_mask} if "node_mask" in pods.model_fields_set else {}
    return {"cidr": str(pods.cidr), **mask}


def _families_in(spec: ClusterSpec) -> tuple[Family, ...]:
    """The families of the pod ranges, when the service ranges and the addresses of every host have the same in the same order; else ()."""
    lists: list[tuple[Address | Network, ...]] = [tuple(pods.cidr for pods in spec.network.pods), tuple(spec.network.services)]
    lists += [tuple(host.addresses) for _, host in readable(spec.hosts) if host.has("addresses") and host.addresses]
    found = {tuple(family_of(value) for value in values) for values in lists}
    families = found.pop()
    return families if not found and 0 < len(set(families)) == len(families) else ()


def _families(
    spec: ClusterSpec,
    path: str,
    values: Sequence[Address | Network],
    what: str,
    examples: dict[Family, Any],
    written: dict[Any, Any],
    meant: tuple[Family, ...],
) -> Iterator[Violation]:
    """`written`: the values as the file has them; empty for addresses, which are detected when the file has none."""
    if set(meant) != set(spec.families):
        return  # stack-differs
    expected = f"stack {spec.stack} needs one {what} of {family_names(spec.families)}"
    first_values: dict[Family, Address | Network] = {}
    for value in values:
        first_values.setdefault(family_of(value), value)
    whole = [written[first_values[family]] if family in first_values else examples[family] for family in spec.families] if examples else []
    fix = replace_by(whole, path) if examples else remove(path)
    kept: dict[Family, Address | Network] = {}
    for index, value in enumerate(values):
        family = family_of(value)
        if family not in spec.families:
            message = f"{value} is {family_name(family)}, but {expected}"
            yield Violation(f"{path}[{index}]", message, "remove it, or change `stack`", fix)
        elif family in kept:
            message = f"{value} is a second {family_name(family)} {what} after {kept[family]}"
            yield Violation(f"{path}[{index}]", message, "keep one of each family", fix)
        kept.setdefault(family, value)
    if missing := [family for family in spec.families if family not in kept]:
        listed = " and ".join(_POD_OR_SERVICE[what].format(examples[family]) for family in missing) if examples else ""
        message = f"the {' and '.join(map(family_name, missing))} {what} is missing: {expected}"
        yield Violation(path, message, f"add a {what}{f', for example {listed}' if listed else ''}, or change `stack`", fix)


def _order(
    spec: ClusterSpec, path: str, values: Sequence[Address | Network], written: Sequence[Any], meant: tuple[Family, ...]
) -> Iterator[Violation]:
    families = tuple(family_of(value) for value in values)
    # primary-family-differs reports a file in which all lists have the other order
    if len(families) == len(spec.families) == 2 and set(families) == set(spec.families) and families != spec.families == meant:
        reordered = ", ".join(str(value) for value in reversed(values))
        message = f"{values[0]} comes first, but the primary family is {family_name(spec.families[0])}"
        yield Violation(path, message, f"write {reordered}", replace_by(list(reversed(written)), path))
