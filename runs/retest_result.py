"""Reports how the retest of one cluster ended: in the log, and as the event that automations wait for."""

from __future__ import annotations

from cluster.retests.records import RetestResult
from cluster.vocabulary.events import RETEST
from cluster.vocabulary.one_line import in_one_line
from runs.context import RunContext
from runs.progress import report_progress


def report_retest(
    run: RunContext,
    cluster: str,
    result: RetestResult,
    *,
    failed_phase: str = "",
    failed_step: str = "",
    error: str = "",
    seconds: float = 0,
) -> None:
    """Emit `sixstack.retest.RESULT` with the cluster as its resource."""
    why = f" at {failed_step}" if failed_step else ""
    after = f" after {seconds:.0f} s" if seconds else ""
    line = f"retest of {cluster}: {result}{why}{after}{f': {in_one_line(error)}' if error else ''}"
    details = {"result": result.value, "cluster": cluster, "failed_phase": failed_phase, "failed_step": failed_step, "run": run.id}
    report_progress(run, line, event=f"{RETEST}.{result}", subject=cluster, cluster=cluster, details=details)
