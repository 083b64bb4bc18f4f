"""The end of a run: its summary, then its result."""

from __future__ import annotations

from cluster.vocabulary.errors import ClusterError
from runs.artifacts import summary_artifact
from runs.context import RunContext
from runs.progress import report_progress


def conclude(run: RunContext, text: str, *, succeeded: bool, failure: type[ClusterError] = ClusterError) -> None:
    """Write the summary of a run. `failure` has the summary of a run that did not succeed."""
    summary_artifact(run, text)
    if not succeeded:
        raise failure(text)
    report_progress(run, text)
