"""The parts of one retest: all use the file from the beginning of the run, and the first error is the one that is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State, StateDetails
from prefect.states import Completed, Failed

from cluster.file.reader import read_document
from cluster.plan.graph import PlannedStep
from cluster.plan.outcome import NotStarted
from cluster.retests.order import Candidate, RetestSettings, plan_retests
from cluster.retests.records import Phase, PhaseRecord
from cluster.vocabulary.errors import Bug, CannotApply, ClusterError, EnvironmentFault, SixstackError
from cluster.vocabulary.problems import Problem
from flows import retest_cluster as module
from flows.retest_cluster import FileChanged, _Retest
from runs import failed_step as failed_step_module
from runs.attempts import Attempt
from runs.context import RunContext
from runs.failed_step import failed_step
from runs.given_cluster import GivenCluster
from tests.flows.test_saved_clusters import document

RUN = RunContext("retests", "id", "default", "default")


def file(**changes: Any) -> dict[str, Any]:
    """The fields of a good file, as a retest run keeps them."""
    spec = read_document(document(**changes)).spec
    assert spec is not None
    return spec.model_dump(mode="json", exclude_unset=True)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Phase, Any]]:
    """The parts that began, with their `cluster`; the part `verify` edits the saved file and fails."""
    begun: list[tuple[Phase, Any]] = []
    saved = {"saved": file(test_hosts=True)}

    def run(_self: object, phase: Phase, _flow: object, *, cluster: Any, **_parameters: Any) -> None:
        begun.append((phase, cluster))
        if phase is Phase.VERIFY:
            saved["saved"] = file(test_hosts=True, tkestack_labels=True)
            raise ClusterError("no route")

    monkeypatch.setattr(_Retest, "_run", run)
    monkeypatch.setattr(module, "given_cluster", lambda name: GivenCluster(saved[name]))
    return begun


def test_every_part_gets_the_file_with_which_the_hosts_were_freed(parts: list[tuple[Phase, Any]]) -> None:
    """An edit in the middle must not make `create` or `delete` use machines that are not test hosts."""
    wanted = file(test_hosts=True)
    with pytest.raises(ClusterError, match="no route"):
        _Retest(Candidate("saved", file=wanted), RetestSettings(), RUN).run()
    assert [phase for phase, _ in parts] == list(Phase)
    assert all(cluster == wanted for _, cluster in parts)


def test_a_file_that_was_edited_before_its_turn_is_not_retested(parts: list[tuple[Phase, Any]]) -> None:
    """The order of the clusters is that of the old file's machines; the new one may even have lost `test_hosts`."""
    with pytest.raises(FileChanged, match="saved-cluster-changed"):
        _Retest(Candidate("saved", file=file()), RetestSettings(), RUN).run()
    assert parts == []


@pytest.mark.parametrize("fault", [EnvironmentFault("the server is away"), OSError("no folder"), ConnectionError("of a storage")])
def test_an_audit_store_that_cannot_be_read_does_not_hide_the_error_of_a_retest(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """The name of the failed step is then unknown."""

    def load(*_: object) -> None:
        raise fault

    monkeypatch.setattr(failed_step_module, "load", load)
    assert failed_step("run", RUN) == ""


@pytest.mark.parametrize(
    ("fails", "keep_failed", "kept", "runs_after"),
    [
        ({Phase.VERIFY: ClusterError("no route")}, True, True, False),
        ({Phase.VERIFY: ClusterError("no route")}, False, False, True),
        ({Phase.FREE_HOSTS: CannotApply([Problem("test-host-not-marked", "hosts/a", "", "")])}, True, False, True),
        ({Phase.CREATE: CannotApply([Problem("memory", "hosts/a", "", "")])}, True, False, True),
        ({}, True, False, True),
    ],
    ids=["kept", "deleted", "refused", "does not fit", "passed"],
)
def test_only_where_a_failed_cluster_stays_the_next_one_is_skipped(
    monkeypatch: pytest.MonkeyPatch, fails: dict[Phase, Exception], keep_failed: bool, kept: bool, runs_after: bool
) -> None:
    """A refused cluster left nothing to inspect. A cluster that was skipped itself does not hold back those on its other machines."""
    begun: list[str] = []
    attempts: list[Attempt] = []

    def part(self: _Retest, phase: Phase, _flow: object, **_parameters: Any) -> None:
        first = self.candidate.cluster == "first"
        self.phases.append(PhaseRecord(phase=phase, flow_run="", seconds=0, succeeded=not (first and phase in fails)))
        begun.append(self.candidate.cluster)
        if first and phase in fails:
            raise fails[phase]

    @contextmanager
    def record(planned: PlannedStep, *_: object) -> Iterator[Attempt]:
        attempts.append(Attempt(planned.kind, planned.subject))
        yield attempts[-1]

    monkeypatch.setattr(_Retest, "_run", part)
    monkeypatch.setattr(_Retest, "_unchanged_file", lambda self: self.candidate.cluster)
    monkeypatch.setattr(module, "record_step", record)
    monkeypatch.setattr(module, "report_retest", lambda *_, **__: None)
    monkeypatch.setattr(module, "_kept_machines", {})
    candidates = [
        Candidate("first", machines=frozenset("1")),
        Candidate("both", machines=frozenset("12")),
        Candidate("last", machines=frozenset("2")),
    ]
    skipped = []
    for planned in plan_retests(candidates, RetestSettings(keep_failed=keep_failed)).steps:
        try:
            module.retest_cluster.fn(planned, RUN)
        except NotStarted:
            skipped.append(planned.subject)
        except SixstackError:
            pass
    assert attempts[0].extra["kept"] is kept
    assert skipped == ([] if runs_after else ["both"])
    assert "last" in begun


def test_a_cancelled_run_says_so_and_begins_no_further_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not `no SSH sessions are open`; and the delete of a failed cluster would be killed in the middle."""
    begun: list[str] = []

    def part(name: str) -> Callable[..., State[Any]]:
        def flow(**_: object) -> State[Any]:
            begun.append(name)
            if name == "create":
                module.stop_retests(RUN)
                return Failed(data=Bug("no SSH sessions are open"), state_details=StateDetails(flow_run_id=uuid4()))
            return Completed(data=1, state_details=StateDetails(flow_run_id=uuid4()))

        return flow

    monkeypatch.setattr(module, "_stopped", set())
    monkeypatch.setattr(module, "close_all_sessions", lambda: None)
    monkeypatch.setattr(_Retest, "_unchanged_file", lambda self: self.candidate.cluster)
    for name in ("free_hosts", "create_cluster", "verify_cluster", "delete_cluster"):
        monkeypatch.setattr(module, name, part(name.removesuffix("_cluster")))
    retest = _Retest(Candidate("a"), RetestSettings(), RUN)
    with pytest.raises(ClusterError, match="the run was cancelled during create"):
        retest.run()
    assert begun == ["free_hosts", "create"]
    assert retest.kept
