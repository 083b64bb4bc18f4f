"""Step retest-cluster: the parts of the retest of one saved cluster. The step runs flows, so it is here and not in tasks/."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import get_state_exception

from cluster.plan.graph import PlannedStep
from cluster.plan.outcome import NotStarted, StepOutcome
from cluster.retests.order import Candidate, RetestSettings
from cluster.retests.outcome import KEPT, PhaseFailed, failed_phase, refused
from cluster.retests.parts import DELETE, FREE, Operation, Part, deletes, older_file, parts_on_free_hosts
from cluster.retests.records import RETEST_CLUSTER, Phase, PhaseRecord, RetestRecord, RetestResult
from cluster.vocabulary.errors import CannotApply, ClusterError, SpecError
from cluster.vocabulary.problems import Problem
from flows.backup_cluster import backup_cluster
from flows.create_cluster import create_cluster
from flows.delete_cluster import delete_cluster
from flows.free_hosts import free_hosts
from flows.restore_cluster import restore_cluster
from flows.retest_workload import retest_workload
from flows.upgrade_cluster import upgrade_cluster
from flows.verify_cluster import verify_cluster
from runs.attempts import record_step, step
from runs.context import RunContext
from runs.failed_step import failed_step
from runs.given_cluster import given_cluster
from runs.retest_result import report_retest
from runs.sessions import close_all_sessions

_kept_machines: dict[str, set[str]] = {}  # of failed clusters, by run; clusters with a common machine never run at the same time

_stopped: set[str] = set()  # runs that were cancelled


def stop_retests(run: RunContext) -> None:
    """End the retests of a cancelled run: their flows wait for their hosts, and fail without sessions. No further part begins."""
    _stopped.add(run.id)
    close_all_sessions()


class NotRetested(CannotApply):
    """The upgrade or the restore of the run cannot be tried with this cluster."""

    headline = "the cluster is not retested; no host was changed"


class FileChanged(NotRetested):
    """The saved file was edited while the run retested other clusters."""


@step(RETEST_CLUSTER, "planned.subject", retries=0)
def retest_cluster(planned: PlannedStep, run: RunContext) -> None:
    """Retest one cluster; raises the error of the part that failed. A cluster is deleted at the end unless the settings keep it.

    NotStarted where a failed cluster is kept on one of its machines.
    """
    candidate, settings = planned.values["candidate"], planned.values["settings"]
    if candidate.machines & _kept_machines.get(run.id, set()):
        raise NotStarted(KEPT)
    retest = _Retest(candidate, settings, run)
    error, result = "", RetestResult.FAILED
    try:
        with record_step(planned, run, RetestRecord) as attempt:
            attempt.extra |= {"result": result, **_described(candidate)}
            try:
                retest.run()
                attempt.extra["result"] = RetestResult.PASSED
                attempt.change(f"cluster {candidate.cluster} created and verified")
            except Exception as raised:
                nothing_changed = len(retest.phases) <= 1 and refused(raised)
                attempt.extra["result"] = RetestResult.REFUSED if nothing_changed else RetestResult.FAILED
                if nothing_changed or retest.failed_phase is None or run.id in _stopped:
                    raise
                raise PhaseFailed(retest.failed_phase, raised) from raised
            finally:
                attempt.extra |= {"phases": tuple(retest.phases), "failed_step": retest.failed_step, "kept": retest.kept}
                if settings.keep_failed and retest.kept and attempt.extra["result"] is RetestResult.FAILED:
                    _kept_machines.setdefault(run.id, set()).update(candidate.machines)
        result = RetestResult.PASSED
    except Exception as raised:  # also an audit store block that is gone: the history then has nothing
        error = str(raised)
        result = RetestResult.REFUSED if attempt.extra["result"] is RetestResult.REFUSED else RetestResult.FAILED
        raise
    finally:
        seconds = sum(phase.seconds for phase in retest.phases)
        report_retest(
            run,
            candidate.cluster,
            result,
            failed_phase=retest.failed_phase or "",
            failed_step=retest.failed_step,
            error=error,
            seconds=seconds,
        )


def record_skipped(planned: PlannedStep, outcome: StepOutcome, run: RunContext) -> None:
    """Record a retest that was not started, because its machines have a failed cluster that is kept."""
    if not isinstance(outcome.error, NotStarted):
        return
    with record_step(planned, run, RetestRecord) as attempt:
        attempt.found = f"not started: {KEPT}"
        attempt.extra |= {"result": RetestResult.SKIPPED, **_described(planned.values["candidate"])}
    report_retest(run, planned.subject, RetestResult.SKIPPED)


def _described(candidate: Candidate) -> dict[str, Any]:
    return {"stack": candidate.stack, "versions": dict(candidate.versions), "file": dict(candidate.file)}


@dataclass
class _Retest:
    """The parts of one retest that ran so far."""

    candidate: Candidate
    settings: RetestSettings
    context: RunContext
    phases: list[PhaseRecord] = field(default_factory=list)
    failed_step: str = ""
    refused: bool = False  # create changed no host
    before: Any = None  # the state at the backup

    @property
    def kept(self) -> bool:
        """The retest left its cluster on the machines, whole or in part."""
        ran = {phase.phase: phase.succeeded for phase in self.phases}
        return Phase.CREATE in ran and not self.refused and not ran.get(Phase.DELETE, False)

    @property
    def failed_phase(self) -> Phase | None:
        """The phase that failed first."""
        return failed_phase(self.phases)

    def run(self) -> None:
        """All parts; raises the error of the first that failed. Nothing begins while the candidate has problems."""
        cluster = self._unchanged_file()
        if self.candidate.problems:
            raise NotRetested(self.candidate.problems)
        self._run_part(FREE, cluster)
        try:
            for part in parts_on_free_hosts(self.settings):
                self._run_part(part, cluster)
        except Exception as error:
            begun = {record.phase for record in self.phases}
            self.refused = isinstance(error, SpecError) and begun <= {Phase.FREE_HOSTS, Phase.CREATE}
            if deletes(self.settings, passed=False):
                self._delete_after(error, cluster)
            raise
        if deletes(self.settings, passed=True):
            self._run_part(DELETE, cluster)

    def _run_part(self, part: Part, cluster: dict[str, Any] | str) -> None:
        if part.older and not isinstance(cluster, str):
            cluster = older_file(cluster, self.candidate.older_version, self.settings.upgrade_from)
        flow, parameters = self._flow_of(part.operation)
        result = self._run(part.phase, flow, cluster=cluster, wait_seconds=self.settings.wait_seconds, **parameters)
        if part.operation is Operation.PLACE_WORKLOAD:
            self.before = result

    def _flow_of(self, operation: Operation) -> tuple[Flow[..., Any], dict[str, Any]]:
        """The flow of a part, and its parameters beside those that all have."""
        confirm, step = {"confirm": self.candidate.cluster}, {"step": operation.value}
        # the state before the restore is the one that the retest itself has made: nobody needs a copy of it
        restore = {**confirm, "identity": self.settings.restore_with, "without_copy": True, "verify": False}
        flows: dict[Operation, tuple[Flow[..., Any], dict[str, Any]]] = {
            Operation.FREE_HOSTS: (free_hosts, {}),
            Operation.CREATE: (create_cluster, {"verify": False}),
            Operation.UPGRADE: (upgrade_cluster, {}),
            Operation.PLACE_WORKLOAD: (retest_workload, step),
            Operation.BACK_UP: (backup_cluster, {}),
            Operation.CHANGE_WORKLOAD: (retest_workload, step),
            Operation.RESTORE: (restore_cluster, restore),
            Operation.COMPARE_WORKLOAD: (retest_workload, {**step, "before": self.before}),
            Operation.VERIFY: (verify_cluster, {}),
            Operation.DELETE: (delete_cluster, confirm),
        }
        return flows[operation]

    def _unchanged_file(self) -> dict[str, Any] | str:
        """The document for every part, so that an edit of the saved file cannot give them other machines than those that were freed.

        FileChanged when it was edited since the run began: the order of the clusters is that of the old machines. The name, when the file has problems.
        """
        name = self.candidate.cluster
        spec = given_cluster(name).read().spec
        document = {} if spec is None else spec.model_dump(mode="json", exclude_unset=True)
        if document != self.candidate.file:
            hint = "Retest it again: the next run uses the new file."
            raise FileChanged([Problem("saved-cluster-changed", "name", f"the saved file of {name} was changed after the run began", hint)])
        return document or name

    def _delete_after(self, error: Exception, cluster: dict[str, Any] | str) -> None:
        """Delete a failed cluster. An error of the deletion becomes a note of the first error, and does not hide it."""
        try:
            self._run_part(DELETE, cluster)
        except Exception as second:
            error.add_note(f"the failed cluster could not be deleted: {second}")

    def _run(self, phase: Phase, flow: Flow[..., Any], **parameters: Any) -> Any:
        if self.context.id in _stopped:
            raise ClusterError("the run was cancelled")
        start = time.monotonic()
        # the heartbeat of the retest run is enough; each flow's own would take a second at its end (measured)
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            state: State[Any] = flow(**parameters, return_state=True)  # type: ignore[assignment]  # Prefect types it as the result
        flow_run, succeeded = str(state.state_details.flow_run_id), state.is_completed()
        self.phases.append(PhaseRecord(phase=phase, flow_run=flow_run, seconds=time.monotonic() - start, succeeded=succeeded))
        if succeeded:
            return state.result()
        if self.context.id in _stopped:  # the error is only that the sessions were closed
            self.failed_step = self.failed_step or phase.value
            raise ClusterError(f"the run was cancelled during {phase}")
        self.failed_step = self.failed_step or failed_step(flow_run, self.context) or phase.value
        raised = get_state_exception(state)
        raise raised if isinstance(raised, Exception) else ClusterError(f"{phase} did not complete: {state.name}")
