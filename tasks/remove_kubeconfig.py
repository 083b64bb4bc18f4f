"""Step forget-kubeconfig: the block of a deleted cluster is removed, so that nobody uses keys of a cluster that is no more."""

from __future__ import annotations

from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.vocabulary.records import StepRecord
from runs.attempts import Where, attempt, step


@step("forget-kubeconfig")
def forget_kubeconfig(where: Where) -> StepRecord:
    """Delete the kubeconfig block, if there is one."""
    with attempt("forget-kubeconfig", "cluster", where, StepRecord) as this:
        try:
            SavedKubeconfig.delete(block_name(where.cluster))
        except ValueError:
            this.found = "no kubeconfig was saved"
        else:
            this.change(f"block saved-kubeconfig/{block_name(where.cluster)} deleted")
    return this.record
