"""Step publish-kubeconfig: the admin kubeconfig from the control plane into an encrypted block, without leaving this task."""

from __future__ import annotations

import yaml
from pydantic import SecretStr

from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.kubeadm.documents import control_plane_endpoint
from cluster.plan.create import PUBLISH_KUBECONFIG
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.topology import topology
from kube.kubeconfig import authority_hash, kubeconfig_document, kubeconfig_secrets, named_after
from runs.attempts import record_step, step
from runs.cluster_api import read_admin_conf
from runs.context import ClusterContext


class Publication(StepRecord):
    """The record of a publication, with the name of the block."""

    block: str = ""


@step(PUBLISH_KUBECONFIG)
def publish_kubeconfig(planned: PlannedStep, run: ClusterContext) -> None:
    """Save the kubeconfig as a block named after the cluster."""
    with record_step(planned, run, Publication) as attempt:
        seed, name = topology(run.spec).seed, block_name(run.cluster)
        document = kubeconfig_document(read_admin_conf(seed, run))
        attempt.secrets |= kubeconfig_secrets(document)
        text = yaml.safe_dump(named_after(document, run.cluster), sort_keys=False)
        block = SavedKubeconfig(
            cluster=run.cluster,
            kubeconfig=SecretStr(text),
            api=control_plane_endpoint(run.spec),
            ca_hash=authority_hash(document),
            control_plane=seed.name,
            ssh=seed.ssh,
        )
        block.save(name, overwrite=True)
        attempt.extra["block"] = name
        attempt.change(f"kubeconfig saved as block saved-kubeconfig/{name}")
