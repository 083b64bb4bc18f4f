"""Step validate: the document as a cluster spec, or every problem at once."""

from __future__ import annotations

from typing import Any

from cluster.file.reader import read_document
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import errors_in
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec
from runs.attempts import Where, attempt, step, tell


class Validation(StepRecord):
    """The record of a validation, with the spec it read."""

    spec: ClusterSpec | None = None


@step("validate", retries=0)
def validate(document: Any, where: Where) -> Validation:
    """Read and check the document offline; SpecError lists all that is wrong; warnings are told."""
    with attempt("validate", "cluster", where, Validation) as this:
        reading = read_document(document)
        this.output = "\n".join(str(problem) for problem in reading.problems)
        if reading.spec is None:
            raise SpecError(errors_in(reading.problems))
        for problem in reading.problems:
            tell(where, f"note: {problem}")
        this.found = f"{len(reading.spec.hosts)} hosts, {reading.spec.stack}" + (
            f", {len(reading.problems)} warnings" if reading.problems else ""
        )
        this.extra["spec"] = reading.spec
    return this.record


def spec_of(validation: Validation) -> ClusterSpec:
    """The spec that a validation read; there is one, as it raises otherwise."""
    assert validation.spec is not None
    return validation.spec
