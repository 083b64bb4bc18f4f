"""Flow remove-workers: take workers out of a cluster and restore the previous state of their machines."""

from __future__ import annotations

from prefect import flow

from cluster.plan.outcome import removal_summary
from cluster.plan.remove import read_removal_parameters
from cluster.vocabulary.forms import NameOrText
from runs.cluster_run import cluster_run, run_context
from runs.conclusion import conclude
from runs.context import spec_context
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.inspect_host import inspect_hosts
from tasks.plan_removal import find_members, plan_workers_removal
from tasks.table import TASKS
from tasks.validate import validate


@flow(
    name="remove-workers", flow_run_name=run_name("remove from"), validate_parameters=False, persist_result=False, result_serializer="json"
)
@reported
def remove_workers(
    cluster: NameOrText,
    hosts: list[str],
    dead: bool = False,
    force: bool = False,
    drain_seconds: int = 300,
    wait_seconds: int = 300,
) -> None:
    """Remove workers: cordon and drain, delete the Node, then reset the host as delete-cluster does.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        hosts: Names of the workers. The file need not list them any more.
        dead: The machines do not answer and are not expected to. Their Nodes are deleted, and not admitted again if the machines return.
        force: Also delete pods without a controller, data in emptyDir volumes, and pods that a budget still protects at the end of drain_seconds.
        drain_seconds: How long a worker may take to drain. After that, its node is schedulable again and stays in the cluster.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    names, settings = read_removal_parameters(hosts, dead=dead, force=force, drain_seconds=drain_seconds)
    with cluster_run(run, wait_seconds):
        of_file = spec_context(run, spec)
        members, found = find_members(names, *inspect_hosts(spec.control_planes, run), of_file)
        facts, uninspected = inspect_hosts(found, run, retries=0 if settings.dead else None)
        listed = {host.name for host in spec.hosts}
        whole = spec.model_copy(update={"hosts": (*spec.hosts, *(host for host in found if host.name not in listed))})
        plan = plan_workers_removal(whole, names, members, facts, uninspected, settings, of_file)
        text, succeeded = removal_summary(plan, names, execute(plan, TASKS, spec_context(run, whole)))
        conclude(run, text, succeeded=succeeded)
