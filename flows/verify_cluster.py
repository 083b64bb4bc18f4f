"""Flow verify-cluster: probe pods check the network of any cluster with a saved kubeconfig, per node and family."""

from __future__ import annotations

from prefect import flow

from cluster.file.verify_parameters import read_verification
from cluster.plan.verify import plan_verify
from cluster.vocabulary.forms import FileText, NameOrText
from runs.cluster_run import cluster_run, run_context
from runs.context import saved_cluster_context
from runs.executor import execute
from runs.given_cluster import given_cluster_to_verify
from runs.reported_flow import reported
from runs.run_names import run_name
from runs.run_report import report_summary
from tasks.table import TASKS
from tasks.validate import validate


@flow(name="verify-cluster", flow_run_name=run_name("verify"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def verify_cluster(
    cluster: NameOrText,
    image: str = "",
    namespace: str = "sixstack-network-check",
    outside: list[str] = [],  # noqa: B006 the form shows it, nobody changes it
    wait_seconds: int = 300,
    audit: str = "default",
    file: FileText | None = None,
) -> None:
    """Check a cluster's network: addresses, ping and HTTP between nodes and pods, MTU, services, DNS, NetworkPolicy, the way out.

    Args:
        cluster: The name of a saved cluster, the text of a cluster file, or the name of a Saved kubeconfig block. A cluster file has the expected
            network. With a kubeconfig alone, the state of the API server is the expectation.
        image: Image of the probe pods. By default the image of the file's bundle, or the published agnhost.
        namespace: Prefix of the check's namespace. The namespace is removed at the end.
        outside: Addresses outside the cluster that pods must reach by ping.
        wait_seconds: How long to wait for another run on the same cluster.
        audit: Name of an Audit store block. A cluster file has its own.
        file: The text of the cluster file, when `cluster` is the name of a Saved kubeconfig block.
    """
    given = given_cluster_to_verify(cluster, file)
    name = cluster if file is not None or given is None else given.fields.get("name")
    plan = plan_verify(read_verification(name, image, namespace, outside))
    run = run_context({"audit": audit, **(given.fields if given is not None else {}), "name": name})
    spec = None if given is None else validate(given, run)
    with cluster_run(run, wait_seconds):
        outcomes = execute(plan, TASKS, saved_cluster_context(run, plan.cluster, spec))
        for outcome in outcomes.values():
            if outcome.error is not None:
                raise outcome.error
            report_summary(run, outcome.result)
