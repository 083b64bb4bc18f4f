"""Flow test-connection: log in to the hosts of a cluster file from the worker's machine; changes nothing on a host."""

from __future__ import annotations

from prefect import flow

from cluster.rules.ssh import hosts_with_credential
from cluster.vocabulary.errors import CannotApply, SpecError
from cluster.vocabulary.forms import NameOrText
from cluster.vocabulary.problems import Problem
from runs.cluster_run import run_context
from runs.conclusion import conclude
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from runs.sessions import close_sessions, open_sessions
from tasks.log_in import log_in_to_hosts
from tasks.validate import validate


class NotConnected(CannotApply):
    """The worker cannot log in to a host and become root there."""

    headline = "a login failed; no host was changed"


@flow(
    name="test-connection",
    flow_run_name=run_name("test connection to"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
@reported
def test_connection(cluster: NameOrText, credential: str | None = None) -> None:  # noqa: PT028 no test
    """Log in to every host of a cluster file and become root there, all at once. NotConnected lists every host where that fails.

    A run does not wait for another run on the cluster. With `trust-on-first-use`, the first login records the host key, as in every other run.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        credential: Only the hosts that use this SSH credential block, also on their jump host. Empty: all hosts.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    hosts = hosts_with_credential(spec, credential) if credential else spec.hosts
    if not hosts:
        used = ", ".join(sorted({host.ssh.credential for host in spec.hosts}))
        message = f"no host of {spec.name} uses the SSH credential block `{credential}`"
        raise SpecError([Problem("unused-credential", "credential", message, f"The hosts use {used}.")])
    open_sessions(run)
    try:
        if problems := log_in_to_hosts(hosts, run):
            raise NotConnected(problems)
    finally:
        close_sessions(run)
    logins = f"{len(hosts)} host{'s' if len(hosts) > 1 else ''}: {', '.join(host.name for host in hosts)}"
    conclude(run, f"logged in as root to {logins}", succeeded=True)
