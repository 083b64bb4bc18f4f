"""Step set-certificate-names: the names of the API server in kubeadm's settings of the cluster."""

from __future__ import annotations

from cluster.plan.graph import PlannedStep
from cluster.plan.renew import SET_CERTIFICATE_NAMES
from kube.certificate_names import set_certificate_names as set_names
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext


@step(SET_CERTIFICATE_NAMES)
def set_certificate_names(planned: PlannedStep, run: ClusterContext) -> None:
    """Write the names of the file into the ConfigMap kubeadm-config."""
    with record_step(planned, run) as attempt:
        if set_names(cluster_api(run), planned.values["names"]):
            attempt.change(f"the settings of the cluster have the names {', '.join(planned.values['names'])}")
