"""Step publish-kubeconfig: the admin kubeconfig from the control plane into an encrypted block, without leaving this task."""

from __future__ import annotations

from datetime import timedelta

import yaml
from pydantic import SecretStr

from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.facts.parsers.kubernetes import ca_hash
from cluster.kubeadm.documents import control_plane_endpoint
from cluster.vocabulary.errors import ApiUnavailable
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec
from kube.kubeconfig import read_kubeconfig
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.sessions import ADMIN_CONF, session


class Publication(StepRecord):
    """The record of a publication, with the name of the block."""

    block: str = ""


@step("publish-kubeconfig")
def publish_kubeconfig(spec: ClusterSpec, run: RunContext) -> Publication:
    """Save the kubeconfig as a block named after the cluster."""
    with record_attempt("publish-kubeconfig", "cluster", run, Publication) as attempt:
        host = spec.control_planes[0]
        opened = session(host, run)
        read = opened.run(f"cat {ADMIN_CONF}", limit=timedelta(seconds=20))
        if read.exit_code:
            raise ApiUnavailable(f"{host.name}: {ADMIN_CONF} cannot be read: {read.stderr.strip()}")
        document = yaml.safe_load(read.stdout)
        attempt.secrets |= {str(value) for user in document["users"] for value in user["user"].values()}
        block = SavedKubeconfig(
            cluster=spec.name,
            kubeconfig=SecretStr(read.stdout),
            api=control_plane_endpoint(spec),
            ca_hash=ca_hash(read_kubeconfig(document).authority) or "",
            control_plane=host.name,
            ssh=host.ssh,
        )
        block.save(block_name(spec.name), overwrite=True)
        attempt.extra["block"] = block_name(spec.name)
        attempt.change(f"kubeconfig saved as block saved-kubeconfig/{block_name(spec.name)}")
    return attempt.record
