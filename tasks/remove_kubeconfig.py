"""Step remove-kubeconfig: delete the block of a deleted cluster, so that its keys are not used any more."""

from __future__ import annotations

from blocks.loading import NoBlock, load
from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.plan.delete import REMOVE_KUBECONFIG
from cluster.plan.graph import PlannedStep
from runs.attempts import record_step, step
from runs.context import SpecContext


@step(REMOVE_KUBECONFIG)
def remove_kubeconfig(planned: PlannedStep, run: SpecContext) -> None:
    """Delete the kubeconfig block, if there is one. With `authorities`, the block of a cluster with another certificate authority is kept."""
    with record_step(planned, run) as attempt:
        if (
            (authorities := planned.values.get("authorities"))
            and (saved := _authority(block_name(run.cluster)))
            and saved not in authorities
        ):
            attempt.found = (
                f"block saved-kubeconfig/{block_name(run.cluster)} is of another cluster with the name {run.cluster} and was kept"
            )
            return
        try:
            SavedKubeconfig.delete(block_name(run.cluster))
        except ValueError:
            attempt.found = "no kubeconfig was saved"
        else:
            attempt.change(f"block saved-kubeconfig/{block_name(run.cluster)} deleted")


def _authority(name: str) -> str:
    """The certificate authority of a saved kubeconfig; "" when it is unknown, or when there is no block."""
    try:
        return load(SavedKubeconfig, name).ca_hash
    except NoBlock:
        return ""
