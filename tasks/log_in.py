"""Step log-in: log in to one host and become root; changes nothing there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import Host
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.sessions import session
from tasks.inspect_host import inspected

_LIMIT = timedelta(seconds=30)


@step("log-in", "host.name", retries=0)
def log_in(host: Host, run: RunContext) -> None:
    """Log in and run one command as root. Errors of the login and of sudo pass through, with what to do."""
    with record_attempt("log-in", host.name, run) as attempt:
        opened = session(host, run)
        answer = opened.run("uname -n", limit=_LIMIT)
        attempt.found = f"{host.ssh.user} at {host.ssh.address} is root, with credential {host.ssh.credential}; its host name is {answer.stdout.strip()}"
        attempt.found += "".join(f"; recorded the host key {key} on first use" for key in opened.first_uses)


def log_in_to_hosts(hosts: Sequence[Host], run: RunContext) -> tuple[Problem, ...]:
    """Log in to all hosts at the same time; a problem for each host where that failed."""
    return inspected({host.name: log_in.submit(host, run) for host in hosts})[1]
