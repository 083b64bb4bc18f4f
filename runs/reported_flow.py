"""Around the function of every flow: the pages at the end of its run, and a log in which an expected error is one line."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from cluster.plan.problems_page import problems_page
from cluster.plan.steps_page import steps_page
from cluster.plan.summary_page import next_steps, summary_page
from runs.artifacts import problems_artifact, steps_artifact, summary_artifact
from runs.cluster_run import path_safe
from runs.cluster_slot import tag_run
from runs.context import RunContext
from runs.progress import report_progress
from runs.run_log import shorten_expected_errors
from runs.run_names import given_name
from runs.run_report import RunReport, close_report, open_report

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_NO_CLUSTER = "sixstack"


def reported(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """A flow's function whose run ends with the pages of its steps, its problems and its summary. A cancelled run has no time for them."""

    @wraps(function)
    def run_and_report(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if flow_run.id is None:  # called as a function, without Prefect
            return function(*args, **kwargs)
        shorten_expected_errors()
        report = open_report(RunContext(_cluster(), str(flow_run.id), audit="", bundle=""))
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            _publish(report, error)
            raise
        else:
            _publish(report, None)
            return result
        finally:
            close_report(report.run.id)

    return run_and_report


def _cluster() -> str:
    """The name in the keys of artifacts of a run that has not read its cluster file, or has none."""
    return path_safe(given_name()) if "cluster" in flow_run.parameters else _NO_CLUSTER


def _publish(report: RunReport, error: Exception | None) -> None:
    """Write the pages. A server that does not take them changes no result."""
    try:
        _write_pages(report, error)
    except Exception as fault:
        report_progress(report.run, f"note: the pages of this run are incomplete: {fault}")


def _write_pages(report: RunReport, error: Exception | None) -> None:
    run = report.run
    if error is not None:
        if not run.audit and run.cluster != _NO_CLUSTER:  # it failed before it read its cluster file
            with get_client(sync_client=True) as client:
                tag_run(client, UUID(run.id), run.cluster)
        problems = report.problems_of(error)
        problems_artifact(run, problems_page(run.cluster, problems), len(problems))
    if report.steps:
        steps_artifact(run, steps_page(run.cluster, report.steps), len(report.steps))
    if report.summary or len(report.pages) > 1:
        text = report.summary or ("The run failed." if error is not None else "The run has succeeded.")
        pages = {key: str(artifact) for key, artifact in report.pages.items()}
        follows = next_steps(str(flow_run.flow_name), run.cluster, succeeded=error is None)
        summary_artifact(run, summary_page(text, report.steps, pages, follows))
