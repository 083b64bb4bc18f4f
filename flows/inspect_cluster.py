"""Flow inspect-cluster: compare a cluster with its file; changes nothing."""

from __future__ import annotations

from prefect import flow

from cluster.plan.expiry import EXPIRING_WITHIN
from cluster.vocabulary.errors import CannotApply, FindingReported
from cluster.vocabulary.forms import NameOrText
from runs.certificate_report import report_certificates
from runs.cluster_run import cluster_run, run_context
from runs.given_cluster import given_cluster
from runs.progress import report_progress
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.compare import Inspection, compare_cluster
from tasks.inspect_certificates import inspect_all_certificates
from tasks.inspect_host import inspect_hosts
from tasks.inspect_settings import inspect_settings
from tasks.validate import validate


class NotInspected(CannotApply):
    """A host, a part of a host, or the API could not be inspected. The rest was compared."""

    headline = "the inspection is incomplete"


@flow(name="inspect-cluster", flow_run_name=run_name("inspect"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def inspect_cluster(cluster: NameOrText, wait_seconds: int = 300) -> None:
    """Compare the hosts and the API of a cluster with its file, and say who repairs each difference. A run that finds one ends Failed.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(spec.hosts, run)
        reached = [host for host in spec.hosts if host.name in facts]
        settings, unread = inspect_settings(reached, run)
        certificates, unknown = inspect_all_certificates(reached, run)
        check = report_certificates(run, spec, certificates, (*uninspected, *unknown), EXPIRING_WITHIN)
        missing = tuple({problem.path: problem for problem in (*uninspected, *unread, *unknown)}.values())
        report = compare_cluster(spec, Inspection(facts, settings, certificates, missing), check, run)
    if not report.complete:
        raise NotInspected(report.uninspected)
    if report.differences:
        raise FindingReported(report.verdict)
    report_progress(run, report.verdict)
