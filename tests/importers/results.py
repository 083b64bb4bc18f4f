"""What tests look at in the result of an import."""

from __future__ import annotations

from typing import Any

from cluster.file.reader import read_document
from importers.imported import Imported


def outcomes(result: Imported) -> dict[str, str]:
    """What was reported of each path, or of a field of the cluster file where it was added."""
    return {change.path or change.to: f"{change.outcome}: {change.to}: {change.why}" for change in result.changes}


def document(result: Imported) -> dict[str, Any]:
    """The cluster file, which `check` accepts."""
    assert result.document is not None, result.problems
    assert [problem for problem in result.problems if problem.severity == "error"] == []
    assert read_document(result.document).spec is not None
    return result.document
