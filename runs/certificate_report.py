"""Reports when the certificates of a cluster expire: as an artifact, and as the event that automations wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from cluster.facts.certificates import HostCertificates
from cluster.plan.expiry import CertificateCheck, check_certificates
from cluster.vocabulary.events import CERTIFICATES_EXPIRING
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec
from runs.artifacts import certificates_artifact
from runs.context import RunContext
from runs.progress import report_progress


def report_certificates(
    run: RunContext, spec: ClusterSpec, found: Mapping[str, HostCertificates], uninspected: Sequence[Problem], within: timedelta
) -> CertificateCheck:
    """Write the artifact. With a certificate that expires within the limit, or has expired, emit the event with the cluster as its resource."""
    check = check_certificates(spec, found, datetime.now(UTC), within)
    certificates_artifact(run, check, uninspected)
    line = f"certificates of {spec.name}: {check.verdict}"
    if not check.due:
        report_progress(run, line)
        return check
    first = check.due[0]
    details = {
        "cluster": spec.name,
        "count": str(len(check.due)),
        "unusable": str(len(check.expired)),
        "host": first.host,
        "certificate": first.path,
        "state": first.validity.value,
        "valid_until": first.certificate.valid_until.isoformat() if first.certificate else "",
        "renewed_by": first.renewed_by,
        "run": run.id,
    }
    report_progress(run, line, event=CERTIFICATES_EXPIRING, subject=spec.name, details=details)
    return check
