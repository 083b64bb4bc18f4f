"""Run one script on an SSH server and print what it took: a process of its own, because the peak of memory never goes down again.

Arguments: a JSON object with address, port, user, host_key, key (a file), script, seconds (the time limit), detached (whether the script
takes the place of the starter of a detached step), and streamed (how many bytes of a stream may be read; 0: the output is no stream).
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from unittest import mock

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import SixstackError
from cluster.vocabulary.spec import SSH
from hosts.detached import run_detached
from hosts.output_stream import OutputEnded
from hosts.session import Session


def peak() -> int:
    """The largest number of bytes that this process had in memory so far."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))


def main() -> None:
    """Print the growth of the peak in bytes, the seconds, the class and text of the error, and the numbers of read characters and lines."""
    asked = json.loads(sys.argv[1])
    ssh = SSH(address=asked["address"], port=asked["port"], user=asked["user"], host_key=asked["host_key"])
    session = Session.open("loopback", ssh, lambda _: Credential(private_key=Path(asked["key"]).read_text()))
    limit, lines, longest, read, error = timedelta(seconds=asked["seconds"]), 0, 0, 0, None

    def take(line: str) -> None:
        nonlocal lines, longest
        lines, longest = lines + 1, max(longest, len(line))

    session.run("true", limit=limit)
    before, start = peak(), time.monotonic()
    try:
        if asked["detached"]:
            with mock.patch("hosts.detached.render", lambda template, **_: asked["script"] if template == "step/detached.sh.j2" else ""):
                result = run_detached(session, cluster="demo", step="a-step", script="", limit=limit, on_line=take)
            read = len(result.output)
        elif asked["streamed"]:
            with session.read(asked["script"], limit=limit, most=asked["streamed"]) as reading:
                with suppress(OutputEnded):
                    while True:
                        read += len(reading.stream.piece(1 << 18))
                reading.end()
        else:
            read = len(session.run(asked["script"], limit=limit).stdout)
    except SixstackError as raised:
        error = raised
    seconds, grown = time.monotonic() - start, peak() - before
    alive = session.run("echo alive", limit=timedelta(seconds=60)).stdout == "alive\n"
    session.close()
    said = {"error": type(error).__name__ if error else "", "text": str(error or "")}
    print(json.dumps({"grown": grown, "seconds": seconds, **said, "read": read, "lines": lines, "longest": longest, "alive": alive}))


if __name__ == "__main__":
    main()
