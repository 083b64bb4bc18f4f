"""Long steps, which run on the host as a systemd unit and so outlive the connection that started them.

In /var/lib/sixstack/steps/STEP: `attempt`, `cluster`, `log`, `exit_code` (written last, and synced), `lock` (held by the unit while it
runs), and `work` (script and inputs, 0600 in a 0700 folder, removed at the end of the step). A call while the unit runs attaches to it.
"""

from __future__ import annotations

import io
import math
import re
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from cluster.vocabulary.errors import Bug, HostBusy, HostError, HostUnreachable, StepTimedOut
from cluster.vocabulary.redaction import redact
from hosts.remote_shell import TIMED_OUT
from hosts.session import Output, Shell
from templates import render

STEPS = PurePosixPath("/var/lib/sixstack/steps")
_KEEP = 1_000_000  # bytes of the log's end that a result holds
_LONGEST_LINE = 10_000  # bytes of a line that are reported
_MOST_LINES = 50_000  # reported lines of a step: each becomes a log line of the run
_LONGEST_QUOTE = 400  # characters of a line in an error
_START_LIMIT = timedelta(seconds=90)  # to send the step, start it, and wait for another caller's start
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]*$")
_NUMBER = re.compile(r"^[0-9]{1,18}$")
_INPUT = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a detached step ended."""

    exit_code: int
    output: str  # both streams of its script, the last megabyte
    attempt: int  # on this host, from 1
    attached: bool  # another caller had started it


def run_detached(
    session: Shell,
    *,
    cluster: str,
    step: str,
    script: str,
    inputs: Mapping[str, bytes] | None = None,
    limit: timedelta,
    stops_others: bool = False,
    on_line: Callable[[str], None] = lambda _: None,
    secrets: Iterable[str] = (),
) -> StepResult:
    """Run `script` as unit sixstack-STEP-CLUSTER-ATTEMPT, or attach to the one that runs, and wait for its end.

    The script reads each of `inputs` at "$SIXSTACK_STEP_DIR/NAME", and handles the state that an earlier attempt left. `on_line` receives each
    printed line at once; errors are without `secrets`. A unit of another step that outlived its run is stopped with `stops_others`, else awaited. HostUnreachable when the connection breaks (the step continues: call again to attach), StepTimedOut when
    `limit` ended the step, HostBusy when a step of that name runs for another cluster, or another step does not end.
    """
    if not _NAME.match(step) or not _NAME.match(cluster):
        raise Bug(f"not a name for a unit: {step!r} of {cluster!r}")
    whole = math.ceil(limit.total_seconds())
    files = {
        ".script": script.encode(),
        ".run": render("step/unit.sh.j2", step=step, limit=whole).encode(),
        **_checked(inputs or {}),
    }
    unit_limit = whole + 60
    starter = render("step/detached.sh.j2", step=step, cluster=cluster, unit_limit=unit_limit, stops_others=stops_others)
    log = _Log(on_line)
    output = session.run(
        starter, limit=timedelta(seconds=unit_limit) + _START_LIMIT, stdin=_packed(files), on_output=log.take, most=_KEEP, only_last=True
    )
    return _result(session, step, limit, output, log, secrets)


def await_step(session: Shell, step: str, limit: timedelta) -> None:
    """Wait for the end of a step that runs on the host; HostBusy when it runs longer than `limit`."""
    seconds = math.ceil(limit.total_seconds())
    if not session.run(f"flock -s -w {seconds} {STEPS}/{step}/lock true", limit=limit + _START_LIMIT).ok:
        raise HostBusy(f"{session.host}: step {step} is still running there after {seconds} s")


def _result(session: Shell, step: str, limit: timedelta, output: Output, log: _Log, secrets: Iterable[str]) -> StepResult:
    word, _, rest = log.headline.partition(" ")
    if word == "busy":
        raise HostBusy(f"{session.host}: step {rest} is running there")
    last = output.stderr.strip().rpartition("\n")[2].split()
    if last == ["vanished"]:
        raise HostUnreachable(session.host, f"step {step} (attempt {rest}) was stopped from outside and left no exit code")
    if not output.ok or len(last) != 3 or last[0] != "exit" or not all(_NUMBER.match(word) for word in (rest, last[1], last[2])):
        # redacted before it is cut: a part of a secret is not recognised
        printed = redact(output.stderr, secrets).strip()[-300:]
        raise HostError(session.host, f"step {step} could not be started: {printed or f'exit code {output.exit_code}'}", "")
    exit_code, size = int(last[1]), int(last[2])
    if log.size < size:
        # the end of the log overtook the reader
        log.skip(size - log.size - _KEEP)
        more = session.run(f"tail -c +{log.size + 1} {STEPS}/{step}/log | head -c {size - log.size}", limit=timedelta(seconds=30))
        log.add(more.stdout.encode())
    log.end()
    if exit_code == TIMED_OUT:
        last_line = redact(log.last_line, secrets)[:_LONGEST_QUOTE]
        raise StepTimedOut(
            f"{session.host}: step {step} (attempt {rest}) did not end within {limit.total_seconds():.0f} s and was stopped; its last line: {last_line}"
        )
    return StepResult(exit_code, log.text, int(rest), word != "started")


class _Log:
    """Splits the output of the starter: its first line, then the lines of the step. Long lines are cut, and after very many, no more are reported."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self.headline = ""
        self.size = 0
        self.last_line = ""
        self._head: bytearray | None = bytearray()
        self._rest = bytearray()  # the begin of a line, up to the longest
        self._cut = 0  # the bytes after it
        self._lines = 0
        self._kept = bytearray()

    def take(self, data: bytes) -> None:
        """Read more of the starter's standard output."""
        if self._head is None:
            self.add(data)
            return
        line, found, rest = data.partition(b"\n")
        self._head += line[: _LONGEST_LINE - len(self._head)]
        if found:
            self.headline, self._head = self._head.decode(errors="replace"), None
            self.add(rest)

    def add(self, data: bytes) -> None:
        """Read more of the step's log."""
        self.size += len(data)
        self._kept += data
        if len(self._kept) > 2 * _KEEP:  # not at every part: that would move a megabyte each time
            del self._kept[:-_KEEP]
        first, *lines = data.split(b"\n")
        self._continue(first)
        for line in lines if self._lines <= _MOST_LINES else lines[-2:]:  # later, only the last complete line matters
            self._emit()
            self._continue(line)

    def skip(self, size: int) -> None:
        """Leave out the next bytes of the log, if any."""
        if size > 0:
            self.end()
            self.size += size
            self._kept.clear()
            self._on_line(f"[{size:,} bytes left out: they are in {STEPS} on the host]")

    def end(self) -> None:
        """End the log, with its last line."""
        if self._rest:
            self._emit()

    @property
    def text(self) -> str:
        """The end of the log."""
        return self._kept[-_KEEP:].decode(errors="replace")

    def _continue(self, part: bytes) -> None:
        taken = part[: _LONGEST_LINE - len(self._rest)]
        self._rest += taken
        self._cut += len(part) - len(taken)

    def _emit(self) -> None:
        text = self._rest.decode(errors="replace").rstrip("\r")
        if self._cut:
            text += f" [{self._cut:,} bytes cut]"
        self._rest.clear()
        self._cut = 0
        if text.strip():
            self.last_line = text
        self._lines += 1
        if self._lines <= _MOST_LINES:
            self._on_line(text)
        elif self._lines == _MOST_LINES + 1:
            self._on_line(f"[further lines are not reported: they are in {STEPS} on the host]")


def _checked(inputs: Mapping[str, bytes]) -> dict[str, bytes]:
    for name in inputs:
        if not _INPUT.match(name):
            raise Bug(f"not a name for an input of a step: {name!r}")
    return dict(inputs)


def _packed(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
