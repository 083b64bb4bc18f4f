"""The order of the clusters of a retest run: one after another where they share a machine, at the same time where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.plan.graph import Plan, PlanBuilder
from cluster.retests.records import RETEST_CLUSTER, RETESTS
from cluster.vocabulary.problems import Problem


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cluster that a run is to retest. Most is unknown when its file has problems."""

    cluster: str
    stack: str = ""  # display name of the stack mode
    machines: frozenset[str] = frozenset()  # machine ids, and SSH endpoints
    identified: bool = True  # every machine told its id; another one could be any machine, under another address
    versions: Mapping[str, str] = field(default_factory=dict)  # of the programs in its bundle
    file: Mapping[str, Any] = field(default_factory=dict)
    older_version: str = ""  # of Kubernetes, with which the cluster is created when the retest has an upgrade
    problems: tuple[Problem, ...] = ()  # why the upgrade or the restore cannot be tried with this cluster


@dataclass(frozen=True, slots=True)
class RetestSettings:
    """The parameters of a retest run."""

    keep_passed: bool = False  # do not delete a cluster that passed
    keep_failed: bool = False
    wait_seconds: int = 300  # for another run on the same cluster
    upgrade_from: str = ""  # name of the Artifact bundle block with the older version; "": no upgrade
    restore_with: str = ""  # path of the file with the age identity, on the worker; "": no restore


def plan_retests(candidates: Sequence[Candidate], settings: RetestSettings) -> Plan:
    """A step for each cluster, in the order given, after those before it on its machines. The step skips itself where a failed cluster is kept."""
    plan = PlanBuilder(RETESTS)
    planned: list[tuple[Candidate, str]] = []
    for candidate in candidates:
        earlier = [step for other, step in planned if _may_share(other, candidate)]
        (step,) = plan.add(
            RETEST_CLUSTER,
            candidate.cluster,
            reason=f"stack mode {candidate.stack}" if candidate.stack else "its file has problems",
            values={"candidate": candidate, "settings": settings},
            after=earlier,
        )
        planned.append((candidate, step))
    return plan.build()


def _may_share(one: Candidate, other: Candidate) -> bool:
    """Whether two clusters have a machine in common, as far as is known."""
    if not one.machines or not other.machines:
        return False
    return bool(one.machines & other.machines) or not (one.identified and other.identified)
