"""Flow verify-cluster: probe pods check the network of any cluster with a saved kubeconfig, per node and family."""

from __future__ import annotations

from collections.abc import Mapping

from prefect import flow

from cluster.file.verify_parameters import read_verification
from cluster.plan.verify import plan_verify
from cluster.vocabulary.spec import ClusterSpec
from runs.cluster_run import cluster_run, run_context
from runs.context import saved_cluster_context
from runs.executor import execute
from runs.run_names import run_name
from tasks.table import TASKS
from tasks.validate import validate


@flow(name="verify-cluster", flow_run_name=run_name("verify"), validate_parameters=False, persist_result=False, result_serializer="json")
def verify_cluster(
    cluster: str,
    file: ClusterSpec | None = None,
    image: str = "",
    namespace: str = "sixstack-network-check",
    outside: list[str] = [],  # noqa: B006 the form shows it, nobody changes it
    wait_seconds: int = 300,
    audit: str = "default",
) -> None:
    """Check a cluster's network: addresses, ping and HTTP between nodes and pods, MTU, services, DNS, NetworkPolicy, the way out.

    Args:
        cluster: Name of the Saved kubeconfig block of the cluster. For a cluster made by sixstack, this is the cluster's name.
        file: The cluster file, which has the expected network. Without a file, the state of the API server is the expectation.
        image: Image of the probe pods. By default the image of the file's bundle, or the published agnhost.
        namespace: Prefix of the check's namespace. The namespace is removed at the end.
        outside: Addresses outside the cluster that pods must reach by ping.
        wait_seconds: How long to wait for another run on the same cluster.
        audit: Name of an Audit store block. A cluster file has its own.
    """
    run = run_context({"audit": audit, **(file if isinstance(file, Mapping) else {}), "name": cluster})
    plan = plan_verify(read_verification(cluster, image, namespace, outside))
    spec = None if file is None else validate(file, run)
    with cluster_run(run, wait_seconds):
        outcomes = execute(plan, TASKS, saved_cluster_context(run, cluster, spec))
        for outcome in outcomes.values():
            if outcome.error is not None:
                raise outcome.error
