"""The end of a run: its summary, then its result."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.problems import Problem
from runs.context import RunContext
from runs.progress import report_progress
from runs.run_report import report_problems, report_summary


def conclude(
    run: RunContext, text: str, *, succeeded: bool, failure: type[ClusterError] = ClusterError, problems: Sequence[Problem] = ()
) -> None:
    """Report the summary of a run. `failure` has the summary of a run that did not succeed, `problems` why it began nothing."""
    report_summary(run, text)
    report_problems(run, problems)
    if not succeeded:
        raise failure(text)
    report_progress(run, text)
