"""Step install-cni: the pod network's objects, by server-side apply."""

from __future__ import annotations

from cluster.plan import PlannedStep
from cluster.records import StepRecord
from cluster.spec import ClusterSpec
from kube.cni import install
from tasks.attempt import Where, attempt, step
from tasks.connection import cluster_api


@step("install-cni")
def install_cni(planned: PlannedStep, spec: ClusterSpec, where: Where) -> StepRecord:
    """Apply the plug-in the spec names; nodes become Ready by it one by one, which wait-ready sees."""
    with attempt("install-cni", "cluster", where, StepRecord) as this:
        api = cluster_api(spec.control_planes[0], where)
        this.change(*install(api, spec))
        this.found = planned.reason
    return this.record
