"""How a rule is written: a generator of findings, decorated with its stable code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.spec import ClusterSpec, Unparsed


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule yields: where, what was found (with the values), and what to write instead."""

    at: str
    says: str
    hint: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `explanation` is its docstring and becomes its line in docs/reference/problems.md."""

    code: str
    severity: Severity
    explanation: str
    check: Callable[[ClusterSpec], Iterator[Finding]]


RULES: list[Rule] = []

SpecRule = Callable[[ClusterSpec], Iterator[Finding]]
ItemRule = Callable[[ClusterSpec, Any, str], Iterator[Finding]]


def rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[SpecRule], SpecRule]:
    """Register a rule about the whole spec."""

    def register(check: SpecRule) -> SpecRule:
        RULES.append(Rule(code, severity, (check.__doc__ or "").strip(), check))
        return check

    return register


def rule_each(code: str, items: str, severity: Severity = Severity.ERROR) -> Callable[[ItemRule], ItemRule]:
    """Register a rule about each item of a list field (`hosts`, `network.pods`); it gets the spec, the item and the item's path.

    An item with a field that could not be read does not keep the rule from the other items.
    """

    def register(check: ItemRule) -> ItemRule:
        def on_all(spec: ClusterSpec) -> Iterator[Finding]:
            holder: Any = spec
            for name in items.split("."):
                holder = getattr(holder, name)
            for index, item in readable(holder):
                yield from _until_unparsed(check(spec, item, f"{items}[{index}]"))

        RULES.append(Rule(code, severity, (check.__doc__ or "").strip(), on_all))
        return check

    return register


def run_rules(spec: ClusterSpec) -> Iterator[Problem]:
    """Every problem that the registered rules find; a rule that meets a field that could not be read ends there."""
    for each in RULES:
        for finding in _until_unparsed(each.check(spec)):
            yield Problem(each.code, finding.at, finding.says, finding.hint, each.severity)


def _until_unparsed(findings: Iterator[Finding]) -> Iterator[Finding]:
    try:
        yield from findings
    except Unparsed:
        return
