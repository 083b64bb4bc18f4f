"""Step remove-kubeconfig: delete the block of a deleted cluster, so that its keys are not used any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.loading import NoBlock, load
from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.plan.delete import REMOVE_KUBECONFIG
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.host_keys import endpoint_name
from runs.attempts import record_step, step
from runs.context import SpecContext


@step(REMOVE_KUBECONFIG)
def remove_kubeconfig(planned: PlannedStep, run: SpecContext) -> None:
    """Delete the kubeconfig block, if there is one. The block of another cluster with this name is kept."""
    with record_step(planned, run) as attempt:
        name = block_name(run.cluster)
        if is_of_another_cluster(planned.values, _saved(name)):
            attempt.found = f"block saved-kubeconfig/{name} is of another cluster with the name {run.cluster} and was kept"
            return
        try:
            SavedKubeconfig.delete(name)
        except ValueError:
            attempt.found = "no kubeconfig was saved"
        else:
            attempt.change(f"block saved-kubeconfig/{name} deleted")


def is_of_another_cluster(values: Mapping[str, Any], saved: SavedKubeconfig | None) -> bool:
    """By the certificate authority. When no host of the file has one: by the SSH endpoint of the control plane, if `values` has endpoints."""
    if saved is None:
        return False
    if authorities := values["authorities"]:
        return bool(saved.ca_hash) and saved.ca_hash not in authorities
    return "endpoints" in values and (saved.ssh is None or endpoint_name(saved.ssh, saved.ssh.jump) not in values["endpoints"])


def _saved(name: str) -> SavedKubeconfig | None:
    try:
        return load(SavedKubeconfig, name)
    except NoBlock:
        return None
