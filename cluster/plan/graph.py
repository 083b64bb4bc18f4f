"""A plan: the graph of steps that one run executes. What is printed, drawn and tested is what runs.

create.py, upgrade.py and the other planners beside this file decide which step waits for which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.vocabulary.errors import Bug

CLUSTER = "cluster"  # the subject of a step that concerns no single host; no host may have this name (rule reserved-node-name)

WAITS_FOR = "A step starts when every step that it waits for has succeeded. A step in parentheses only must have ended."


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step on one subject: a host, a Deployment, or `cluster`."""

    kind: str  # the key of the table of tasks (tasks/table.py)
    subject: str
    reason: str  # why the step is needed
    values: Mapping[str, Any]  # what the task needs beside the spec: plain, JSON-able, without secrets
    needs: tuple[str, ...] = ()  # ids of steps that must have succeeded
    after: tuple[str, ...] = ()  # ids of steps that must have ended, however they ended

    @property
    def id(self) -> str:
        """The step's name in the plan."""
        return step_id(self.kind, self.subject)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form. `values` are left out: they are long, and `reason` explains the step."""
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": self.subject,
            "reason": self.reason,
            "needs": list(self.needs),
            "after": list(self.after),
        }


def step_id(kind: str, subject: str = CLUSTER) -> str:
    """KIND/SUBJECT."""
    return f"{kind}/{subject}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which each step comes after the steps that it waits for. Any other order is a Bug, so a plan has no cycle."""

    cluster: str
    steps: tuple[PlannedStep, ...] = ()
    notes: tuple[str, ...] = ()  # found, reported and left alone

    def __post_init__(self) -> None:
        earlier: set[str] = set()
        for step in self.steps:
            if step.id in earlier:
                raise Bug(f"the plan has step {step.id} twice")
            if missing := [upstream for upstream in (*step.needs, *step.after) if upstream not in earlier]:
                raise Bug(f"step {step.id} waits for {', '.join(missing)}, which is not an earlier step of the plan")
            earlier.add(step.id)

    @property
    def empty(self) -> bool:
        """The plan has no steps."""
        return not self.steps

    def step(self, kind: str, subject: str = CLUSTER) -> PlannedStep | None:
        """The step of that kind on that subject, if it is planned."""
        return next((step for step in self.steps if step.id == step_id(kind, subject)), None)

    def steps_on(self, subject: str) -> tuple[PlannedStep, ...]:
        """The steps on one subject, in their order."""
        return tuple(step for step in self.steps if step.subject == subject)

    def as_dict(self) -> dict[str, Any]:
        """What `sixstack plan --output json` prints."""
        return {"cluster": self.cluster, "steps": [step.as_dict() for step in self.steps], "notes": list(self.notes)}

    def as_text(self) -> str:
        """What `sixstack plan` prints: notes, a line per step, and how to read the column of steps that a step waits for."""
        lines = [f"note: {note}" for note in self.notes]
        lines += [
            f"{row['step']:>3}  {row['kind']:21} {row['subject']:18} {row['waits for']:16} {row['reason']}" for row in self.table_rows()
        ]
        if any(step.needs or step.after for step in self.steps):
            lines.append(WAITS_FOR)
        lines.append(
            f"{len(self.steps)} step{'s' if len(self.steps) > 1 else ''} to do"
            if self.steps
            else "nothing to do: the cluster matches its file"
        )
        return "\n".join(lines)

    def table_rows(self) -> list[dict[str, str]]:
        """A row per step. `waits for` has the numbers of other rows; in parentheses: steps that must have ended and may have failed."""
        numbers = {step.id: str(number) for number, step in enumerate(self.steps, start=1)}
        return [
            {
                "step": numbers[step.id],
                "kind": step.kind,
                "subject": step.subject,
                "waits for": _joined(_ranges(step.needs, numbers), [f"({group})" for group in _ranges(step.after, numbers)]),
                "reason": step.reason,
            }
            for step in self.steps
        ]

    def as_mermaid(self) -> str:
        """The graph as a Mermaid flowchart: a solid arrow for `needs`, a dotted one for `after`."""
        names = {step.id: f"s{number}" for number, step in enumerate(self.steps, start=1)}
        lines = ["flowchart LR"]
        lines += [f'  {names[step.id]}["{_escaped(step.kind)}<br/>{_escaped(step.subject)}"]' for step in self.steps]
        for step in self.steps:
            lines += [f"  {names[upstream]} --> {names[step.id]}" for upstream in step.needs]
            lines += [f"  {names[upstream]} -.-> {names[step.id]}" for upstream in step.after]
        return "\n".join(lines)


def _joined(*groups: Sequence[str]) -> str:
    return ", ".join(part for group in groups for part in group) or "-"


def _ranges(ids: Iterable[str], numbers: Mapping[str, str]) -> list[str]:
    """The numbers of steps, consecutive ones as FIRST-LAST."""
    groups: list[list[int]] = []
    for number in sorted(int(numbers[step]) for step in ids):
        if groups and groups[-1][-1] == number - 1:
            groups[-1][1:] = [number]
        else:
            groups.append([number])
    return ["-".join(map(str, group)) for group in groups]


def _escaped(text: str) -> str:
    """Text inside a quoted Mermaid label (https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters)."""
    return "".join(letter if letter.isalnum() or letter in " .:/_-" else f"#{ord(letter)};" for letter in text)


class PlanBuilder:
    """Collects the steps of a plan; what `add` returns is what later steps wait for."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._steps: list[PlannedStep] = []

    def add(
        self,
        kind: str,
        subject: str = CLUSTER,
        *,
        reason: str | None,
        values: Mapping[str, Any] | None = None,
        needs: Sequence[str] = (),
        after: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Plan a step and return (id,). Without a reason the step is not needed: nothing is planned, and () lets no step wait for it."""
        if reason is None:
            return ()
        needed = tuple(dict.fromkeys(needs))
        after_only = tuple(upstream for upstream in dict.fromkeys(after) if upstream not in needed)
        self._steps.append(PlannedStep(kind, subject, reason, values or {}, needed, after_only))
        return (self._steps[-1].id,)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of the steps planned so far."""
        return frozenset(step.kind for step in self._steps)

    def last_step_on(self, subject: str) -> tuple[str, ...]:
        """The id of the step planned last on a subject; empty without one."""
        return next(((step.id,) for step in reversed(self._steps) if step.subject == subject), ())

    def build(self, notes: Iterable[str] = ()) -> Plan:
        """The plan of all steps so far."""
        return Plan(self._cluster, tuple(self._steps), tuple(notes))
