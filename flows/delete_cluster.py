"""Flow delete-cluster: take a cluster off its machines, and leave them as they were before."""

from __future__ import annotations

from prefect import flow

from cluster.plan.plan import make_reset_plan
from cluster.vocabulary.errors import ClusterError, SpecError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec
from flows.inspection import inspect
from runs.artifacts import summary_artifact
from runs.cluster_run import cluster_run, run_context
from runs.outcomes import fates
from runs.progress import report_progress
from runs.run_names import run_name
from tasks.remove_kubeconfig import remove_kubeconfig
from tasks.reset_host import reset_host
from tasks.validate import spec_of, validate


class NotConfirmed(SpecError):
    """The name typed to confirm is not the cluster's."""

    headline = "nothing was deleted"


@flow(name="delete-cluster", flow_run_name=run_name("delete"), validate_parameters=False, persist_result=False, result_serializer="json")
def delete_cluster(cluster: ClusterSpec, confirm: str, wait_seconds: int = 300) -> None:
    """Remove a cluster from its hosts: kubeadm reset, CNI links, our files, units, routes and rules of both families.

    Args:
        cluster: The cluster file.
        confirm: The cluster's name, typed again: everything the cluster holds will be gone.
        wait_seconds: How long to wait for another run that works on the same cluster.
    """
    run = run_context(cluster)
    spec = spec_of(validate(cluster, run))
    if confirm != spec.name:
        raise NotConfirmed(
            [
                Problem(
                    "not-confirmed", "confirm", f"`{confirm}` is not the name of the cluster", f"type `{spec.name}` to delete this cluster"
                )
            ]
        )
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect(spec.hosts, run)
        if uninspected:
            text = "\n".join(
                [
                    f"cluster {spec.name} is not deleted, nothing was changed on any host: some cannot be looked at",
                    *(f"- {problem}" for problem in uninspected),
                    "A machine that is gone for good: take it out of the file, then delete again.",
                ]
            )
            summary_artifact(run, text)
            raise ClusterError(text)
        # workers and control planes side by side: reset needs no API, and a dead control plane must not keep workers
        plan = make_reset_plan(spec, facts)
        ended = fates({planned.host: reset_host.submit(planned, spec.host(planned.host), run) for planned in plan.steps})
        if failed := [f"- {name}: {one.why_not}" for name, one in ended.items() if one.why_not]:
            text = "\n".join([f"cluster {spec.name} is not wholly deleted; running this again goes on:", *failed])
            summary_artifact(run, text)
            raise ClusterError(text)
        remove_kubeconfig(run)
        text = "\n".join([f"cluster {spec.name} is deleted from {', '.join(ended) or 'no host'}", *(f"- {note}" for note in plan.notes)])
        summary_artifact(run, text)
        report_progress(run, text)
