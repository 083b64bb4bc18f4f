"""Runs a rendered script on a host for a task: sha256 and output go into the record, a failing exit code becomes an error."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from prefect.logging import get_run_logger

from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.errors import HostBusy, HostRefused, StepFailed
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.redaction import RedactedLines, redact
from hosts.detached import run_detached
from hosts.lock import FencedSession
from hosts.output_stream import OutputEnded, OutputStream
from hosts.session import Shell
from runs.attempts import Attempt
from templates import render

SHORT_LIMIT = timedelta(minutes=1)  # of a script that writes a few files

_KEEP = 1_000_000  # characters of a script's output that an attempt holds

# exit codes that templates/host/prologue.sh.j2 defines
REFUSED = 64
MISSING = 65
BUSY = 75

# how kubeadm, kubectl, ctr, systemctl and sixstack's scripts mark error lines
_ERROR_LINE = re.compile(r"(?i)\berror\b|^refused:|^missing:|fatal|failed to|cannot|timed out")


def run_script(
    attempt: Attempt,
    session: Shell,
    template: str,
    values: Mapping[str, Any],
    limit: timedelta,
    *,
    data: Iterable[bytes] = (),
    secret: bool = False,
) -> str:
    """Run a template's script in one round trip, with `data` as its standard input, and return its output; `secret` output is not recorded."""
    script = _rendered(attempt, template, values)
    done = session.feed(script, data, limit=limit)
    attempt.exit_code = done.exit_code
    # the end: the record keeps less, and all of it is searched for secrets
    output = (done.stderr if secret else done.stdout + done.stderr)[-_KEEP:]
    attempt.output += output
    _raise_for_exit_code(attempt, session.host, done.exit_code, output)
    return done.stdout


@contextmanager
def stream_script(
    attempt: Attempt, session: FencedSession, template: str, values: Mapping[str, Any], limit: timedelta, most: int
) -> Iterator[tuple[OutputStream, Callable[[], None]]]:
    """Run a template's script, whose standard output of up to `most` bytes is read as a stream and not recorded.

    The function waits for the end of the script and raises for its exit code. Until then, what was read may be incomplete.
    """
    script = _rendered(attempt, template, values)
    with session.read(script, limit=limit, most=most) as reading:

        def finish() -> None:
            done = reading.end()
            attempt.exit_code = done.exit_code
            attempt.output += done.stderr[-_KEEP:]
            _raise_for_exit_code(attempt, session.host, done.exit_code, done.stderr[-_KEEP:])

        try:
            yield reading.stream, finish
        except OutputEnded:
            finish()
            raise StepFailed(session.host, f"the output of step {attempt.step} is incomplete", "Run again to repeat this step") from None


def run_detached_script(
    attempt: Attempt,
    session: Shell,
    cluster: str,
    template: str,
    values: Mapping[str, Any],
    limit: timedelta,
    inputs: Mapping[str, bytes] | None = None,
    *,
    stops_others: bool = False,
) -> None:
    """Run a template's script as a unit of the host that outlives this connection, or attach to a running one; see run_detached."""
    script = _rendered(attempt, template, values)
    log, lines = get_run_logger(), RedactedLines(attempt.secrets)
    done = run_detached(
        session,
        cluster=cluster,
        step=attempt.step,
        script=script,
        inputs=inputs or {},
        limit=limit,
        stops_others=stops_others,
        on_line=lambda line: log.debug(lines.line(without_control(line))),
        secrets=attempt.secrets,
    )
    attempt.exit_code = done.exit_code
    attempt.output += done.output
    if done.attached:
        attempt.found = "attached to the step that was already running on the host"
    _raise_for_exit_code(attempt, session.host, done.exit_code, done.output)


def _rendered(attempt: Attempt, template: str, values: Mapping[str, Any]) -> str:
    script = render(template, **values)
    attempt.script_sha256 = hashlib.sha256(script.encode()).hexdigest()
    return script


def _raise_for_exit_code(attempt: Attempt, host: str, exit_code: int, output: str) -> None:
    if exit_code == 0:
        return
    # an exception's text also goes to Prefect's log and states, events and the summary
    output = redact(without_control(output), attempt.secrets)
    message = _error_lines(output)
    if exit_code == BUSY:
        raise HostBusy(f"{host}: {message}")
    if exit_code in {REFUSED, MISSING}:
        raise HostRefused(
            host,
            [Problem("host-refused", f"hosts/{host}", message, "Fix this on the host and run again. This step changed nothing else.")],
        )
    raise StepFailed(
        host,
        f"step {attempt.step} failed with exit code {exit_code}:\n{message}",
        f"The complete output is in the audit record, and in `journalctl -u 'sixstack-*'` on {host}. Run again to repeat this step",
        exit_code=exit_code,
        output=output,
    )


def _error_lines(output: str) -> str:
    """The lines with the error, for people; the complete output is in the record."""
    lines = [line.strip()[:400] for line in output.strip().splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR_LINE.search(line)]
    return "\n".join(dict.fromkeys((errors or lines)[-6:]))
