"""The parts of one retest: all use the file from the beginning of the run, and the first error is the one that is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State, StateDetails
from prefect.states import Completed, Failed

from cluster.file.reader import read_document
from cluster.plan.graph import PlannedStep
from cluster.plan.outcome import NotStarted
from cluster.retests.order import Candidate, RetestSettings, plan_retests
from cluster.retests.outcome import FAILED_PHASES
from cluster.retests.parts import UPGRADED_FROM
from cluster.retests.records import Phase, PhaseRecord, RetestResult
from cluster.vocabulary.errors import Bug, CannotApply, ClusterError, EnvironmentFault, SixstackError
from cluster.vocabulary.problems import Problem
from flows import retest_cluster as module
from flows.retest_cluster import FileChanged, NotRetested, _Retest
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
    assert [phase for phase, _ in parts] == [Phase.FREE_HOSTS, Phase.CREATE, Phase.VERIFY, Phase.DELETE]
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


def attempts_of_retests(monkeypatch: pytest.MonkeyPatch, part: Callable[..., None]) -> list[Attempt]:
    """The attempts of the retests that are run next, of which `part` stands in for every part. Nothing is stored or asked."""
    attempts: list[Attempt] = []

    @contextmanager
    def record(planned: PlannedStep, *_: object) -> Iterator[Attempt]:
        attempts.append(Attempt(planned.kind, planned.subject))
        yield attempts[-1]

    monkeypatch.setattr(_Retest, "_run", part)
    monkeypatch.setattr(_Retest, "_unchanged_file", lambda self: self.candidate.cluster)
    monkeypatch.setattr(module, "record_step", record)
    monkeypatch.setattr(module, "report_retest", lambda *_, **__: None)
    monkeypatch.setattr(module, "_kept_machines", {})
    return attempts


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

    def part(self: _Retest, phase: Phase, _flow: object, **_parameters: Any) -> None:
        first = self.candidate.cluster == "first"
        self.phases.append(PhaseRecord(phase=phase, flow_run="", seconds=0, succeeded=not (first and phase in fails)))
        begun.append(self.candidate.cluster)
        if first and phase in fails:
            raise fails[phase]

    attempts = attempts_of_retests(monkeypatch, part)
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


BOTH = RetestSettings(upgrade_from="k8s-1-35", restore_with="/root/identity.txt")


@pytest.fixture
def flows(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The flows that began, with their parameters; stand-ins, of which `place-workload` returns a state."""
    begun: list[tuple[str, dict[str, Any]]] = []

    def part(name: str) -> Callable[..., State[Any]]:
        def flow(**parameters: Any) -> State[Any]:
            begun.append((parameters.get("step", name), parameters))
            result = {"uid of nodes/a": "1"} if parameters.get("step") == "place-workload" else 0
            return Completed(data=result, state_details=StateDetails(flow_run_id=uuid4()))

        return flow

    names = ("free_hosts", "create_cluster", "upgrade_cluster", "retest_workload", "backup_cluster", "restore_cluster")
    for name in (*names, "verify_cluster", "delete_cluster"):
        monkeypatch.setattr(module, name, part(name))
    monkeypatch.setattr(module, "given_cluster", lambda _: GivenCluster(file(test_hosts=True)))
    return begun


def test_both_optional_parts_in_their_order(flows: list[tuple[str, dict[str, Any]]]) -> None:
    """Only `create` has the older version; only `restore` has the path of the identity; the state at the backup is what is compared."""
    wanted = file(test_hosts=True)
    retest = _Retest(Candidate("saved", file=wanted, older_version="1.35.4"), BOTH, RUN)
    retest.run()
    assert [name for name, _ in flows] == [
        "free_hosts",
        "create_cluster",
        "upgrade_cluster",
        "place-workload",
        "backup_cluster",
        "change-workload",
        "restore_cluster",
        "compare-workload",
        "verify_cluster",
        "delete_cluster",
    ]
    parameters = dict(flows)
    assert parameters["create_cluster"]["cluster"] == {**wanted, "kubernetes_version": "1.35.4", "bundle": "k8s-1-35"}
    assert all(given["cluster"] == wanted for name, given in flows if name != "create_cluster")
    assert [name for name, given in flows if "/root/identity.txt" in given.values()] == ["restore_cluster"]
    assert parameters["compare-workload"]["before"] == {"uid of nodes/a": "1"}
    assert [record.phase for record in retest.phases] == sorted((record.phase for record in retest.phases), key=list(Phase).index)


def test_what_an_upgrade_or_a_restore_lacks_is_reported_before_anything_begins(flows: list[tuple[str, dict[str, Any]]]) -> None:
    """No host is freed for a retest that cannot be done."""
    problem = Problem("wrong-identity", "restore_with", "", "")
    with pytest.raises(NotRetested, match="wrong-identity"):
        _Retest(Candidate("saved", file=file(test_hosts=True), problems=(problem,)), BOTH, RUN).run()
    assert flows == []


def recorded(monkeypatch: pytest.MonkeyPatch, fails: Phase, error: Exception, *, keep: bool = False) -> tuple[Attempt, str]:
    """The record of a retest of which a phase fails, and its error."""

    def part(self: _Retest, phase: Phase, _flow: object, **_parameters: Any) -> None:
        self.phases.append(PhaseRecord(phase=phase, flow_run="", seconds=0, succeeded=phase is not fails))
        if phase is fails:
            raise error

    attempts = attempts_of_retests(monkeypatch, part)
    (planned,) = plan_retests([Candidate("a", versions={UPGRADED_FROM: "v1.35.4"})], replace(BOTH, keep_failed=keep)).steps
    with pytest.raises(SixstackError) as raised:
        module.retest_cluster.fn(planned, RUN)
    return attempts[0], str(raised.value)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.DELETE])
def test_a_phase_that_fails_is_named_with_its_code_and_a_remedy(monkeypatch: pytest.MonkeyPatch, phase: Phase) -> None:
    """Also when its error is a refusal: the hosts were freed before."""
    error = ClusterError("broken") if phase is Phase.FREE_HOSTS else CannotApply([Problem("node-not-ready", "nodes/a", "", "")])
    attempt, message = recorded(monkeypatch, phase, error)
    assert attempt.extra["result"] is RetestResult.FAILED
    code, _, remedy = FAILED_PHASES[phase]
    assert f"{phase} failed [{code}]: {error}" in message
    assert message.endswith(remedy)


def test_a_refusal_of_the_hosts_is_no_failure_of_a_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was changed: its own codes say why."""
    attempt, message = recorded(monkeypatch, Phase.FREE_HOSTS, CannotApply([Problem("no-test-hosts", "test_hosts", "", "")]))
    assert attempt.extra["result"] is RetestResult.REFUSED
    assert "[no-test-hosts]" in message
    assert FAILED_PHASES[Phase.FREE_HOSTS][0] not in message


def test_an_upgrade_that_is_refused_leaves_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlike a refused `create`: the cluster of the older version is on the machines, and is kept where it is wanted."""
    refusal = CannotApply([Problem("node-not-ready", "nodes/a", "", "")])
    attempt, _ = recorded(monkeypatch, Phase.UPGRADE, refusal)
    assert [record.phase for record in attempt.extra["phases"]] == [Phase.FREE_HOSTS, Phase.CREATE, Phase.UPGRADE, Phase.DELETE]
    assert not attempt.extra["kept"]
    assert recorded(monkeypatch, Phase.UPGRADE, refusal, keep=True)[0].extra["kept"]
    assert not recorded(monkeypatch, Phase.CREATE, refusal, keep=True)[0].extra["kept"]


def test_the_error_of_the_deletion_is_a_note_of_the_first_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are in the record."""
    error = ClusterError("no route")
    error.add_note("the failed cluster could not be deleted: busy")
    assert "could not be deleted: busy" in recorded(monkeypatch, Phase.VERIFY, error)[1]
