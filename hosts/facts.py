"""Facts of one host: one script (templates/facts/), one round trip, parsed by the domain (cluster/facts/parse.py)."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cache

from cluster.facts.certificates import HostCertificates
from cluster.facts.host_facts import HostFacts, InstalledArtifacts
from cluster.facts.node_settings import NodeSettings
from cluster.facts.parse import (
    ARTIFACT_PARTS,
    CERTIFICATE_PARTS,
    PARTS,
    SETTING_PARTS,
    parse,
    parse_certificates,
    parse_installed_artifacts,
    parse_node_settings,
)
from cluster.kubeadm.preflight import KERNEL_OPTIONS
from cluster.vocabulary.errors import HostError
from cluster.vocabulary.spec import Host
from hosts.session import Shell
from templates import render

LIMIT = timedelta(seconds=90)  # each command in it has 5 s; a healthy host needs less than one


@cache
def facts_script(parts: tuple[str, ...] = tuple(PARTS)) -> str:
    """The script of some parts, or of all parts; every host runs the same script."""
    return render("facts/gather.sh.j2", parts=parts, kernel_options=KERNEL_OPTIONS)


def gather(session: Shell, host: Host) -> HostFacts:
    """All facts of the host; the script changes nothing there.

    HostError when the script fails. Errors of the session (HostUnreachable, StepTimedOut) pass through.
    """
    sent = time.time()
    answer = _answer(session, host, tuple(PARTS))
    return parse(answer, host.name, sent=sent, received=time.time())


def gather_installed_artifacts(session: Shell, host: Host) -> InstalledArtifacts:
    """The artifacts of the bundle that the host has, for a tenth of the cost of all facts. Raises as `gather`."""
    return parse_installed_artifacts(_answer(session, host, ARTIFACT_PARTS), host.name)


def gather_node_settings(session: Shell, host: Host) -> NodeSettings:
    """The installed files by content, and the kubelet's settings. Raises as `gather`."""
    return parse_node_settings(_answer(session, host, SETTING_PARTS), host.name)


def gather_certificates(session: Shell, host: Host) -> HostCertificates:
    """The certificates of the host, without any private key. Raises as `gather`."""
    return parse_certificates(_answer(session, host, CERTIFICATE_PARTS), host.name)


def _answer(session: Shell, host: Host, parts: tuple[str, ...]) -> str:
    output = session.run(facts_script(parts), limit=LIMIT)
    if output.exit_code != 0:
        printed = (output.stderr or output.stdout).strip()[-500:]
        raise HostError(
            host.name,
            f"the facts script ended with exit code {output.exit_code}: {printed}",
            "Check that `sh` and coreutils work on the host",
        )
    return output.stdout
