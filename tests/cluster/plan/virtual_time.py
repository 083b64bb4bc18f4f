"""Runs a plan in virtual time, by the executor's rules: what would start when, what ends the run, what is not started after a failure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cluster.plan.graph import Plan, PlannedStep


@dataclass(frozen=True)
class Schedule:
    """When each started step began and ended (seconds), by id; steps that were not started are absent."""

    plan: Plan
    starts: Mapping[str, float]
    ends: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """How long the run takes."""
        return max(self.ends.values(), default=0.0)

    @property
    def critical_path(self) -> tuple[str, ...]:
        """The steps that the end of the run waited for, first to last."""
        step = max(self.plan.steps, key=lambda each: self.ends.get(each.id, -1.0))
        path = [step.id]
        while waited := [each for each in (*step.needs, *step.after) if each in self.ends]:
            latest = max(waited, key=lambda each: self.ends[each])
            step = next(each for each in self.plan.steps if each.id == latest)
            path.append(step.id)
        return tuple(reversed(path))


def run_in_virtual_time(plan: Plan, seconds: Mapping[str, float], failing: Collection[str] = ()) -> Schedule:
    """`seconds` by id or by kind of step; the steps of `failing`, by id, take their time and then fail."""
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    ended: dict[str, float] = {}  # also of steps that were not started: when that was known
    for step in plan.steps:
        begin = max((ended[each] for each in (*step.needs, *step.after)), default=0.0)
        if not _may_start(step, ends, failing):
            ended[step.id] = begin
            continue
        starts[step.id] = begin
        ends[step.id] = ended[step.id] = begin + seconds.get(step.id, seconds.get(step.kind, 0.0))
    return Schedule(plan, starts, ends)


def _may_start(step: PlannedStep, ends: Mapping[str, float], failing: Collection[str]) -> bool:
    return all(each in ends and each not in failing for each in step.needs)
