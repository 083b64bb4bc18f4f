"""The registry of rules. A rule is a generator of violations, decorated with its stable code.

The docstring of a rule describes the fault. docs/reference/problems.md prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any

from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import MOST_PROBLEMS, Problem, Severity, Violation
from cluster.vocabulary.spec import ClusterSpec, Host, Unparsed

if TYPE_CHECKING:
    # `sixstack check` reads a file alone, and does not pay for the types of facts
    from cluster.facts.host_facts import HostFacts
    from cluster.rules.inspected import Inspected


class Scope(Enum):
    """The input of a rule."""

    SPEC = "the cluster file"
    ITEM = "each item of a list in the cluster file"
    HOST = "each host with its facts"
    CLUSTER = "all hosts with their facts together"

    @property
    def needs_facts(self) -> bool:
        """Whether the rule runs only after the hosts were inspected."""
        return self in (Scope.HOST, Scope.CLUSTER)


SpecRule = Callable[[ClusterSpec], Iterator[Violation]]
ItemRule = Callable[[ClusterSpec, Any, str], Iterator[Violation]]
HostRule = Callable[["Inspected", Host, "HostFacts"], Iterator[Violation]]
ClusterRule = Callable[["Inspected"], Iterator[Violation]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `explanation` is its docstring, which docs/reference/problems.md prints."""

    code: str
    severity: Severity
    scope: Scope
    explanation: str
    check: Callable[[Any], Iterator[Violation]]  # takes a ClusterSpec, or an Inspected when the scope needs facts

    def problems(self, subject: ClusterSpec | Inspected) -> Iterator[Problem]:
        """The problems of the input. The rule stops at a field that could not be read."""
        for violation in _until_unparsed(self.check(subject)):
            yield Problem(self.code, violation.at, violation.message, violation.hint, violation.severity or self.severity, violation.fix)


RULES: list[Rule] = []


def spec_rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[SpecRule], SpecRule]:
    """Register a rule about the whole spec."""

    def register(check: SpecRule) -> SpecRule:
        RULES.append(Rule(code, severity, Scope.SPEC, _explanation(check), check))
        return check

    return register


def item_rule(code: str, items: str, severity: Severity = Severity.ERROR) -> Callable[[ItemRule], ItemRule]:
    """Register a rule about each item of a list field (`hosts`, `network.pods`). The rule takes the spec, the item and the path of the item.

    If a field of an item could not be read, the rule continues with the next item.
    """

    def register(check: ItemRule) -> ItemRule:
        RULES.append(Rule(code, severity, Scope.ITEM, _explanation(check), on_each_item(check, items)))
        return check

    return register


def on_each_item(check: ItemRule, items: str) -> SpecRule:
    """Convert a check of one item to a check of all items of the spec."""

    def on_all(spec: ClusterSpec) -> Iterator[Violation]:
        field: Any = spec
        for name in items.split("."):
            field = getattr(field, name)
        for index, item in readable(field):
            yield from _until_unparsed(check(spec, item, f"{items}[{index}]"))

    return on_all


def host_rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[HostRule], HostRule]:
    """Register a rule about each host. Its violations have paths below hosts/NAME."""

    def register(check: HostRule) -> HostRule:
        def on_all(cluster: Inspected) -> Iterator[Violation]:
            for host, facts in cluster.hosts:
                for violation in check(cluster, host, facts):
                    yield replace(violation, at=f"hosts/{host.name}/{violation.at}")

        RULES.append(Rule(code, severity, Scope.HOST, _explanation(check), on_all))
        return check

    return register


def cluster_rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[ClusterRule], ClusterRule]:
    """Register a rule about all hosts together."""

    def register(check: ClusterRule) -> ClusterRule:
        RULES.append(Rule(code, severity, Scope.CLUSTER, _explanation(check), check))
        return check

    return register


def run_spec_rules(spec: ClusterSpec) -> Iterator[Problem]:
    """Every problem that the registered rules find in a cluster file, of each rule at most as many as are listed, and one more."""
    for rule in RULES:
        if not rule.scope.needs_facts:
            yield from islice(rule.problems(spec), MOST_PROBLEMS + 1)


def run_fact_rules(cluster: Inspected) -> Iterator[Problem]:
    """Every problem that the registered rules find in the facts of hosts."""
    for rule in RULES:
        if rule.scope.needs_facts:
            yield from rule.problems(cluster)


def run_rules(codes: Collection[str], cluster: Inspected) -> Iterator[Problem]:
    """Every problem that the rules with these codes find in the facts of hosts."""
    for rule in RULES:
        if rule.code in codes:
            yield from rule.problems(cluster)


def _explanation(check: Callable[..., object]) -> str:
    return (check.__doc__ or "").strip()


def _until_unparsed(violation: Iterator[Violation]) -> Iterator[Violation]:
    try:
        yield from violation
    except Unparsed:
        return
