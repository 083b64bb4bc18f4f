"""Step plan of restore-cluster: all problems of hosts, file, copy and store together, and an etcd that may or may not answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bundle.manifest import Architecture, BundleManifest
from cluster.facts.host_facts import HostFacts
from cluster.plan.graph import Plan
from cluster.plan.lost_changes import LostChanges
from cluster.plan.restore import CheckedCopy
from cluster.plan.values import REVISION_BUMP
from cluster.vocabulary.errors import CannotApply, HostUnreachable
from cluster.vocabulary.problems import Problem
from runs import made_plan
from runs.attempts import Attempt
from runs.context import RunContext
from tasks import plan_restore as module
from tasks.plan import CheckedHosts
from tests.cluster.plan.test_create import SPEC
from tests.cluster.plan.test_lost_changes import answer
from tests.cluster.plan.test_restore import COPY, SOURCE, WITH_DATA

MANIFEST = BundleManifest(name="lab", kubernetes_version="v1.36.3", architecture=Architecture.AMD64, files=())
UNREACHABLE = Problem("host-not-inspected", "hosts/b", "no answer", "")
NO_STORE = Problem("no-backup-store", "backups", "no block", "")


@dataclass
class Planner:
    """What stands in for rules, store and host, and the records of the attempts."""

    facts: Mapping[str, HostFacts] = field(default_factory=lambda: WITH_DATA)
    copy: CheckedCopy = COPY
    printed: str | Exception = ""
    errors: tuple[Problem, ...] = ()
    store: tuple[Problem, ...] = ()
    attempts: list[Attempt] = field(default_factory=list)

    def plan(self, *, without_copy: bool = False) -> tuple[Plan, LostChanges | None]:
        """One run of the step: the plan, and what its record says of lost changes."""
        run = RunContext("demo", "run", "default", "default")
        step = module.plan_restoration.fn
        _, plan = step(SPEC, self.copy, SOURCE, self.facts, (), run, without_copy=without_copy, verify=True)
        return plan, self.attempts[-1].extra["lost"]

    def run_script(self, *_: object, **__: object) -> str:
        """The answer of the control plane."""
        if isinstance(self.printed, Exception):
            raise self.printed
        return self.printed


@pytest.fixture
def planner(monkeypatch: pytest.MonkeyPatch) -> Planner:
    """A cluster that the file fits."""
    found = Planner()

    @contextmanager
    def record(kind: str, host: str, *_: object) -> Iterator[Attempt]:
        found.attempts.append(Attempt(kind, host))
        yield found.attempts[-1]

    stand_ins: dict[str, Any] = {
        "record_attempt": record,
        "probe_connectivity": lambda *_: None,
        "check_hosts": lambda *_: CheckedHosts(MANIFEST, found.errors, (), None if found.errors else SPEC),
        "backup_store_problems": lambda *_: found.store,
        "session": lambda *_: None,
        "run_script": found.run_script,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(module, name, stand_in)
    for name in ("report_progress", "plan_artifact"):
        monkeypatch.setattr(made_plan, name, lambda *_: None)
    return found


def test_every_problem_is_in_one_answer(planner: Planner) -> None:
    """Of a host, of the copy, of the hosts' authorities and of the store. No script has run."""
    planner.printed = AssertionError("a host was asked")
    planner.errors, planner.store = (UNREACHABLE,), (NO_STORE,)
    planner.copy = replace(COPY, saved=COPY.saved.model_copy(update={"kubernetes_version": "v1.34.1"}))
    planner.facts = {**WITH_DATA, "b": replace(WITH_DATA["b"], foreign_authority=True)}
    with pytest.raises(CannotApply) as refused:
        planner.plan()
    assert {problem.code for problem in refused.value.problems} == {
        "host-not-inspected",
        "copy-of-another-version",
        "host-has-another-authority",
        "no-backup-store",
    }


def test_without_a_copy_no_store_is_needed_for_one(planner: Planner) -> None:
    """The copy that is restored was read already."""
    planner.store = (NO_STORE,)
    plan, _ = planner.plan(without_copy=True)
    assert plan.step("save-copy", "a") is None


def test_what_is_newer_is_asked_of_the_etcd_that_runs(planner: Planner) -> None:
    """The record has all of it."""
    planner.printed = answer({"/registry/minions/a": (3, 95), "/registry/minions/b": (7, 96), "/registry/secrets/default/new": (99, 99)})
    plan, lost = planner.plan()
    assert lost is not None
    assert (lost.created, lost.deleted) == (("secrets default/new",), ("configmaps default/x",))
    assert plan.step("join-worker", "b") is None


def test_a_cluster_that_was_restored_from_the_copy_before_is_told_apart(planner: Planner) -> None:
    """The Nodes are those of the copy, and the revision of etcd is one that only a restore makes: an interrupted restore may have left the worker."""
    planner.printed = answer({"/registry/minions/a": (3, 90), "/registry/minions/b": (7, 91)}, 92 + REVISION_BUMP)
    plan, _ = planner.plan()
    assert plan.step("join-worker", "b") is not None
    assert any("restored after this copy" in note for note in plan.notes)


@pytest.mark.parametrize("printed", ["", HostUnreachable("a", "no answer")])
def test_an_etcd_that_does_not_answer_is_no_reason_not_to_restore(planner: Planner, printed: str | Exception) -> None:
    """It may be why the cluster is restored."""
    planner.printed = printed
    plan, lost = planner.plan()
    assert lost is None
    assert any("answer" in note for note in plan.notes)
    assert plan.step("join-worker", "b") is not None
