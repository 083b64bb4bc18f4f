"""Step validate: the document as a cluster spec, or every problem at once."""

from __future__ import annotations

from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import errors_in
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.given_cluster import GivenCluster
from runs.progress import report_progress


class Validation(StepRecord):
    """The record of a validation, with the spec."""

    spec: ClusterSpec | None = None


@step("validate", retries=0)
def validate(given: GivenCluster, run: RunContext) -> ClusterSpec:
    """Read and check the cluster file offline; SpecError lists all errors; warnings are reported."""
    with record_attempt("validate", "cluster", run, Validation) as attempt:
        reading = given.read()
        attempt.output = "\n".join(str(problem) for problem in reading.problems)
        if reading.spec is None:
            raise SpecError(errors_in(reading.problems))
        for problem in reading.problems:
            report_progress(run, f"note: {problem}")
        attempt.found = f"{len(reading.spec.hosts)} hosts, {reading.spec.stack}" + (
            f", {len(reading.problems)} warnings" if reading.problems else ""
        )
        attempt.extra["spec"] = reading.spec
    return reading.spec
