"""Step inspect-certificates: the certificates of one host in one round trip; changes nothing and reads no private key."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.facts.certificates import HostCertificates
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import Host
from hosts.facts import gather_certificates
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.sessions import session
from tasks.inspect_host import inspected


class CertificateInspection(StepRecord):
    """The record of an inspection, with the certificates."""

    certificates: HostCertificates | None = None


@step("inspect-certificates", "host.name")
def inspect_certificates(host: Host, run: RunContext) -> HostCertificates:
    """Gather the certificates of one host."""
    with record_attempt("inspect-certificates", host.name, run, CertificateInspection) as attempt:
        found = gather_certificates(session(host, run), host)
        attempt.extra["certificates"] = found
        attempt.found = f"{len(found.files)} certificates" + (f", of cluster {found.owner}" if found.owner else "")
    return found


def inspect_all_certificates(hosts: Sequence[Host], run: RunContext) -> tuple[dict[str, HostCertificates], tuple[Problem, ...]]:
    """The certificates of every host that could be inspected, by name, and a problem for each other host. All hosts at the same time."""
    return inspected({host.name: inspect_certificates.submit(host, run) for host in hosts})
