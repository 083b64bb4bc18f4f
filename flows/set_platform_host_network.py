"""Flow set-platform-host-network: Deployments of a management cluster get the host network, so that they reach hosts over IPv6 too."""

from __future__ import annotations

from prefect import flow

from cluster.plan.host_network import host_network_summary, plan_host_network, restored_summary
from cluster.vocabulary.forms import NameOrText
from runs.cluster_run import cluster_run, run_context
from runs.conclusion import conclude
from runs.context import saved_cluster_context
from runs.executor import execute
from runs.given_cluster import given_cluster, is_name
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.check_host_network import check_host_network
from tasks.table import TASKS

PLATFORM = ("tke/tke-platform-api", "tke/tke-platform-controller")


@flow(
    name="set-platform-host-network",
    flow_run_name=run_name("host network of"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
@reported
def set_platform_host_network(
    cluster: NameOrText,
    deployments: list[str] = list(PLATFORM),  # noqa: B006 the form shows it, nobody changes it
    undo: bool = False,
    available_seconds: int = 180,
    wait_seconds: int = 300,
    audit: str = "default",
) -> None:
    """Move Deployments to the host network: scale to 0, set hostNetwork and ClusterFirstWithHostNet, scale back, wait; or undo that.

    Args:
        cluster: Name of their cluster, which is also the name of its Saved kubeconfig block; or the text of its cluster file.
        deployments: The Deployments, NAMESPACE/NAME each.
        undo: Restore the previous network, DNS policy and number of replicas.
        available_seconds: How long a Deployment may take to become available again. After that, its previous state is restored.
        wait_seconds: How long to wait for another run on the same cluster.
        audit: Name of an Audit store block.
    """
    name = cluster if is_name(cluster) else str(given_cluster(cluster).fields.get("name", ""))
    run = run_context({"name": name, "audit": audit})
    saved = saved_cluster_context(run, name)
    with cluster_run(run, wait_seconds):
        names = check_host_network(deployments, undo, available_seconds, saved)
        plan = plan_host_network(run.cluster, names, available_seconds, undo=undo, reason="requested by the run")
        outcomes = execute(plan, TASKS, saved)
        text, changed, succeeded = host_network_summary(plan, outcomes, undo=undo)
        if not succeeded and not undo:
            # all or none: restore the Deployments that this run has changed
            back = plan_host_network(run.cluster, changed, available_seconds, undo=True, reason="another Deployment failed")
            text += restored_summary(back, execute(back, TASKS, saved))
        conclude(run, text, succeeded=succeeded)
