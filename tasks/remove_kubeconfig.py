"""Step remove-kubeconfig: delete the block of a deleted cluster, so that its keys are not used any more."""

from __future__ import annotations

from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.plan.delete import REMOVE_KUBECONFIG
from cluster.plan.graph import PlannedStep
from runs.attempts import record_step, step
from runs.context import SpecContext


@step(REMOVE_KUBECONFIG)
def remove_kubeconfig(planned: PlannedStep, run: SpecContext) -> None:
    """Delete the kubeconfig block, if there is one."""
    with record_step(planned, run) as attempt:
        try:
            SavedKubeconfig.delete(block_name(run.cluster))
        except ValueError:
            attempt.found = "no kubeconfig was saved"
        else:
            attempt.change(f"block saved-kubeconfig/{block_name(run.cluster)} deleted")
