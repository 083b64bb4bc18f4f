"""Step remove-kubeconfig: the block of a deleted cluster is removed, so that nobody uses keys of a cluster that is no more."""

from __future__ import annotations

from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.vocabulary.records import StepRecord
from runs.attempts import record_attempt, step
from runs.context import RunContext


@step("remove-kubeconfig")
def remove_kubeconfig(run: RunContext) -> StepRecord:
    """Delete the kubeconfig block, if there is one."""
    with record_attempt("remove-kubeconfig", "cluster", run, StepRecord) as attempt:
        try:
            SavedKubeconfig.delete(block_name(run.cluster))
        except ValueError:
            attempt.found = "no kubeconfig was saved"
        else:
            attempt.change(f"block saved-kubeconfig/{block_name(run.cluster)} deleted")
    return attempt.record
