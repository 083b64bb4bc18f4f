"""Families of ranges and addresses, and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.rules.registry import item_rule, spec_rule
from cluster.vocabulary.families import Address, Family, Network, StackMode, family_name, family_names, family_of
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import ClusterSpec, Host

_POD_EXAMPLES = {Family.IPV4: "{cidr: 10.244.0.0/16}", Family.IPV6: '{cidr: "fd44::/56"}'}
_SERVICE_EXAMPLES = {Family.IPV4: "10.96.0.0/16", Family.IPV6: '"fd44:0:0:ffff::/112"'}


@spec_rule("pod-families")
def pods_have_the_families_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """The file does not have exactly one pod CIDR for each family in use (kubeadm, ValidateIPNetFromString)."""
    yield from _families(spec, "network.pods", [pods.cidr for pods in spec.network.pods], "pod CIDR", _POD_EXAMPLES)


@spec_rule("service-families")
def services_have_the_families_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """The file does not have exactly one service CIDR for each family in use (kubeadm, ValidateIPNetFromString)."""
    yield from _families(spec, "network.services", spec.network.services, "service CIDR", _SERVICE_EXAMPLES)


@item_rule("address-families", "hosts")
def addresses_have_the_families_in_use(spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """A host does not have exactly one address for each family in use. The kubelet's --node-ip accepts one address, or one address per family, and dual-stack
    on bare metal needs both on every host (kubernetes#100675). `addresses` is optional."""
    if host.addresses:
        yield from _families(spec, f"{at}.addresses", host.addresses, "node address", {})


@spec_rule("pod-order")
def pods_are_primary_first(spec: ClusterSpec) -> Iterator[Violation]:
    """The first pod CIDR is not of the primary family."""
    yield from _order(spec, "network.pods", [pods.cidr for pods in spec.network.pods])


@spec_rule("service-order")
def services_are_primary_first(spec: ClusterSpec) -> Iterator[Violation]:
    """The first service CIDR, the advertise address and the first node address have different families (kubeadm#2754)."""
    yield from _order(spec, "network.services", spec.network.services)


@item_rule("address-order", "hosts")
def addresses_are_primary_first(spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """The first service CIDR, the advertise address and the first node address have different families (kubeadm#2754)."""
    yield from _order(spec, f"{at}.addresses", host.addresses)


@spec_rule("primary-family-unused", Severity.WARNING)
def primary_family_is_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """`primary_family` has no effect in a single-stack cluster."""
    if spec.stack is not StackMode.DUAL_STACK and "primary_family" in spec.model_fields_set and spec.primary_family not in spec.families:
        yield Violation("primary_family", f"{spec.primary_family} is not in use in a cluster with stack {spec.stack}", "remove the line")


def _families(
    spec: ClusterSpec, path: str, values: Sequence[Address | Network], what: str, examples: dict[Family, str]
) -> Iterator[Violation]:
    expected = f"stack {spec.stack} needs one {what} of {family_names(spec.families)}"
    first_values: dict[Family, Address | Network] = {}
    for index, value in enumerate(values):
        family = family_of(value)
        if family not in spec.families:
            yield Violation(f"{path}[{index}]", f"{value} is {family_name(family)}, but {expected}", "remove it, or change `stack`")
        elif family in first_values:
            yield Violation(
                f"{path}[{index}]",
                f"{value} is a second {family_name(family)} {what} after {first_values[family]}",
                "keep one of each family",
            )
        first_values.setdefault(family, value)
    for family in spec.families:
        if family not in first_values:
            example = f", for example {examples[family]}" if family in examples else ""
            yield Violation(path, f"the {family_name(family)} {what} is missing: {expected}", f"add a {what}{example}, or change `stack`")


def _order(spec: ClusterSpec, path: str, values: Sequence[Address | Network]) -> Iterator[Violation]:
    families = tuple(family_of(value) for value in values)
    if set(families) == set(spec.families) and len(families) == 2 and families != spec.families:
        reordered = ", ".join(str(value) for value in reversed(values))
        yield Violation(
            path,
            f"{values[0]} comes first, but the primary family is {family_name(spec.families[0])}",
            f"write {reordered}, or primary_family: {families[0]}",
        )
