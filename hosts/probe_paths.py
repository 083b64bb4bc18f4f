"""Trying the paths between hosts, by the hosts themselves: all listen, then all try at once, and nothing is left on any of them.

TCP: whoever completes the handshake is reached; nobody has to accept. UDP: what counts is what the receiver has seen, so a path is proven
in its own direction, and an answer that is lost says nothing of it.
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

PATIENCE_SECONDS = 2.5  # how long a silent path is tried: a first packet may be lost, and TCP repeats it after a second
LIMIT = timedelta(seconds=30)
_AT_ONCE = 32
_REFUSED = "Connection refused"  # ECONNREFUSED


def try_paths(paths: Sequence[HostPath], sessions: Mapping[str, Session]) -> Connectivity:
    """Try every path from its source itself; `sessions` has one a host that occurs in them. Costs two round trips when all are open.

    HostUnreachable when a connection breaks meanwhile.
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
        able = {host: held for host, held in listening.items() if held.said == "listening"}
        tried = {number: path for number, path in enumerate(paths) if path.source in able and path.target in able}
        left_out = " ".join(str(number) for number in range(len(paths)) if number not in tried)
        for host, held in able.items():  # nobody tries before everybody listens
            _tell(host, held, left_out)
        said = {host: _results(host, held) for host, held in able.items()}
    found = [(path, said[_witness(path)].get(number, "not tried")) for number, path in tried.items()]
    return Connectivity(
        tried=len(tried),
        closed=tuple(ClosedPath(path, how) for path, how in found if not _is_open(path, how)),
        untried=tuple((host, held.said) for host, held in listening.items() if host not in able),
        seconds=time.monotonic() - start,
    )


def _script(host: str, paths: Sequence[HostPath], nonce: str) -> str:
    lines = tuple(dict.fromkeys(_lines(host, paths)))
    limit = int(LIMIT.total_seconds())
    return render("host_paths/probe-paths.sh.j2", lines=lines, nonce=nonce, patience=PATIENCE_SECONDS, limit=limit)


def _lines(host: str, paths: Sequence[HostPath]) -> Iterator[str]:
    """A host's part in it, as templates/host_paths/probe-paths.sh.j2 reads it."""
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
    """The host that knows whether packets got through."""
    return path.source if path.protocol == "tcp" else path.target


def _is_open(path: HostPath, found: str) -> bool:
    # a running node's own port that refuses: its packets come back, and what became of the program is not for this to judge
    return found == "reached" or (path.running and found == _REFUSED)


def _tell(host: str, held: Held, line: str) -> None:
    try:
        held.send(f"{line}\n".encode())
    except (OSError, EOFError):
        raise HostUnreachable(host, "the connection was lost while the hosts tried to reach each other") from None


def _results(host: str, held: Held) -> dict[int, str]:
    """Number of a path -> what was seen of it."""
    try:
        text = held.hear("done")
    except TimeoutError:
        text = ""
    first, *lines = text.splitlines() or [""]
    if not lines or lines[-1] != "done":
        raise HostUnreachable(host, f"it ended while the hosts tried to reach each other, after {lines[-1] if lines else first!r}")
    numbered = (line.partition(" ") for line in lines[:-1])
    return {int(number): found for number, _, found in numbered}
