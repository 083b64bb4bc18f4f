"""Step save-cluster: a checked cluster file as a block, under the name of its cluster."""

from __future__ import annotations

from blocks.saved_cluster import SavedCluster
from blocks.saving import Saved, save
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem
from runs.attempts import record_attempt, step
from runs.context import RunContext


class NotSaved(SpecError):
    """Another file is saved under this name."""

    headline = "the cluster file was not saved"


@step("save-cluster")
def save_cluster_file(text: str, run: RunContext, *, overwrite: bool) -> str:
    """Save the text; returns what happened. NotSaved when other text is saved under the name and may not be replaced."""
    with record_attempt("save-cluster", "cluster", run) as attempt:
        outcome = save(SavedCluster(file=text), run.cluster, overwrite=overwrite)
        attempt.found = f"block saved-cluster/{run.cluster}: {outcome}"
        if outcome is Saved.DIFFERS:
            hint = "Set `overwrite` to replace the saved file, or give the cluster another name."
            raise NotSaved([Problem("saved-cluster-differs", "name", f"{run.cluster} is saved with other content", hint)])
        if outcome is not Saved.UNCHANGED:
            attempt.change(f"block saved-cluster/{run.cluster} {outcome}")
    return attempt.found
