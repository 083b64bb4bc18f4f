"""Flow renew-certificates: replace certificates that expire soon, restart the components that read them one after another, and save the new kubeconfig."""

from __future__ import annotations

from prefect import flow

from cluster.plan.outcome import renewal_summary
from cluster.plan.renewal_parameters import read_renewal_settings
from cluster.vocabulary.forms import NameOrText
from runs.certificate_report import report_certificates
from runs.cluster_run import cluster_run, run_context
from runs.conclusion import conclude
from runs.context import cluster_context
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.inspect_certificates import inspect_all_certificates
from tasks.inspect_host import inspect_hosts
from tasks.plan_renewal import Inspected, plan_renewal
from tasks.table import TASKS
from tasks.validate import validate


@flow(
    name="renew-certificates",
    flow_run_name=run_name("renew certificates of"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
@reported
def renew_certificates(
    cluster: NameOrText, within_days: int = 30, everything: bool = False, wait_seconds: int = 300, without_copy: bool = False
) -> None:
    """Renew the certificates of a cluster, and give the API server the names that the file has.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        within_days: Renew what expires within so many days.
        everything: Also renew what is fresh.
        wait_seconds: How long to wait for another run on the same cluster.
        without_copy: Do not save etcd's data and PKI before private keys are replaced. Otherwise an encrypted copy goes to the Backup store of the file.
    """
    settings = read_renewal_settings(within_days, everything=everything, without_copy=without_copy)
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(spec.control_planes, run)
        certificates, unread = inspect_all_certificates(spec.hosts, run)
        control_planes = {host.name for host in spec.control_planes}
        missing = {problem.path: problem for problem in (*uninspected, *unread)}
        blocking = tuple(problem for path, problem in missing.items() if path.removeprefix("hosts/") in control_planes)
        resolved, plan = plan_renewal(spec, Inspected(facts, certificates, blocking), settings, run, without_copy=without_copy)
        outcomes = execute(plan, TASKS, cluster_context(run, resolved)) if not plan.empty else {}
        text, succeeded = renewal_summary(resolved, plan, outcomes)
        conclude(run, text, succeeded=succeeded)
        if not plan.empty:
            certificates, unread = inspect_all_certificates(spec.hosts, run)
        report_certificates(run, spec, certificates, unread, settings.within)
