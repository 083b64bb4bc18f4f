"""Probes of the paths between hosts, by the hosts themselves: all listen, then all probe at once, and nothing stays on any host.

TCP: a completed handshake proves the path; no program has to accept. UDP: the packets that the receiver saw count, so each path is proven
in its own direction, independent of lost answers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

from cluster.facts.host_paths import ClosedPath, Connectivity, HostPath
from cluster.vocabulary.errors import HostUnreachable
from hosts.session import Held, Session
from templates import render

PATIENCE_SECONDS = 2.5  # for a path without an answer: a first packet may be lost, and TCP repeats it after one second
LIMIT = timedelta(seconds=30)
_AT_ONCE = 32
_REFUSED = "Connection refused"  # ECONNREFUSED


def try_paths(paths: Sequence[HostPath], sessions: Mapping[str, Session]) -> Connectivity:
    """Probe every path from its source; `sessions` has one session for each host of the paths. Two round trips when all paths are open.

    HostUnreachable when a connection breaks.
    """
    start = time.monotonic()
    nonce = secrets.token_hex(8)
    hosts = tuple(dict.fromkeys(name for path in paths for name in (path.source, path.target)))
    if not hosts:
        return Connectivity()
    with ExitStack() as stack, ThreadPoolExecutor(min(_AT_ONCE, len(hosts))) as pool:

        def listen(host: str) -> Held:
            held = sessions[host].hold(_script(host, paths, nonce), limit=LIMIT)
            stack.callback(held.close)
            return held

        listening = dict(zip(hosts, pool.map(listen, hosts), strict=True))
        able = {host: held for host, held in listening.items() if held.first_line == "listening"}
        tried = {number: path for number, path in enumerate(paths) if path.source in able and path.target in able}
        left_out = " ".join(str(number) for number in range(len(paths)) if number not in tried)
        for host, held in able.items():  # no host probes before all hosts listen
            _send_line(host, held, left_out)
        results = {host: _results(host, held) for host, held in able.items()}
    found = [(path, results[_witness(path)].get(number, "not tried")) for number, path in tried.items()]
    return Connectivity(
        tried=len(tried),
        closed=tuple(ClosedPath(path, how) for path, how in found if not _is_open(path, how)),
        untried=tuple((host, held.first_line) for host, held in listening.items() if host not in able),
        seconds=time.monotonic() - start,
    )


def _script(host: str, paths: Sequence[HostPath], nonce: str) -> str:
    lines = tuple(dict.fromkeys(_lines(host, paths)))
    limit = int(LIMIT.total_seconds())
    return render("host_paths/probe-paths.sh.j2", lines=lines, nonce=nonce, patience=PATIENCE_SECONDS, limit=limit)


def _lines(host: str, paths: Sequence[HostPath]) -> Iterator[str]:
    """The lines of one host for templates/host_paths/probe-paths.sh.j2."""
    for number, path in enumerate(paths):
        if path.source == host:
            if path.protocol == "tcp":
                yield f"connect {number} {path.address} {path.port}"
            else:
                yield f"send {number} {path.source_address} {path.address} {path.port}"
        elif path.target == host:
            if path.protocol == "udp":
                yield f"await {number} {path.address.version} {path.port}"
            elif not path.running:
                yield f"listen {path.address} {path.port}"


def _witness(path: HostPath) -> str:
    """The host that sees whether packets arrived."""
    return path.source if path.protocol == "tcp" else path.target


def _is_open(path: HostPath, found: str) -> bool:
    # a running node's own port that refuses: the packets arrive, and the program behind the port is not part of this probe
    return found == "reached" or (path.running and found == _REFUSED)


def _send_line(host: str, held: Held, line: str) -> None:
    try:
        held.send(f"{line}\n".encode())
    except (OSError, EOFError):
        raise HostUnreachable(host, "the connection was lost while the hosts tried to reach each other") from None


def _results(host: str, held: Held) -> dict[int, str]:
    """Number of a path -> its result."""
    try:
        text = held.read_until("done")
    except TimeoutError:
        text = ""
    first, *lines = text.splitlines() or [""]
    if not lines or lines[-1] != "done":
        raise HostUnreachable(host, f"it ended while the hosts tried to reach each other, after {lines[-1] if lines else first!r}")
    numbered = (line.partition(" ") for line in lines[:-1])
    return {int(number): found for number, _, found in numbered if number.isdecimal() and len(number) < 10}
