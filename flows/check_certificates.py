"""Flow check-certificates: when every certificate of a cluster expires, and an event before one does."""

from __future__ import annotations

from prefect import flow

from cluster.plan.renewal_parameters import read_renewal_settings
from cluster.vocabulary.errors import ClusterError, FindingReported
from cluster.vocabulary.forms import NameOrText
from runs.certificate_report import report_certificates
from runs.cluster_run import cluster_run, run_context
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.inspect_certificates import inspect_all_certificates
from tasks.validate import validate


@flow(
    name="check-certificates",
    flow_run_name=run_name("check certificates of"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
@reported
def check_certificates(cluster: NameOrText, within_days: int = 30, wait_seconds: int = 300) -> None:
    """List the certificates of all hosts of a cluster. Emits `sixstack.certificates.expiring` when one expires soon; fails when one has expired, or when there is none.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        within_days: Certificates that expire within so many days need attention.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    settings = read_renewal_settings(within_days)
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    with cluster_run(run, wait_seconds):
        found, uninspected = inspect_all_certificates(spec.hosts, run)
    check = report_certificates(run, spec, found, uninspected, settings.within)
    if check.expired and not uninspected:
        raise FindingReported(check.verdict)
    if check.failed or uninspected:
        raise ClusterError("\n".join([check.verdict, *(f"- {problem}" for problem in uninspected)]))
