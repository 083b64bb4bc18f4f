"""Programs in Python, such as the `sixstack` command and flow runs, in a process that has already imported what they import.

Half of the processor time of the tests with a server was `import prefect`, in hundreds of short commands and runs. A server process imports it once, and
forks for each. The forked process runs `python -m cli`, `python -m prefect.engine` for tests/prepared_run.py, or another program, from its first line,
in the folder, environment and streams of its caller. Command line and environment that the kernel shows are those of the server process: tests that
look at these, or at a start, run the command itself.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from tests.prepared_run import SOCKET_FILE

START_LIMIT = 60.0  # seconds
_MODULES = (
    "prefect.client.orchestration",
    "prefect.events.clients",
    "prefect.flow_engine",
    "prefect.runner",
    "blocks.types",
    "cli.schedules",
    "runs.overview",
    "hosts.session",
    *(f"flows.{flow.stem}" for flow in sorted(Path(__file__).parents[1].glob("flows/[!_]*.py"))),
)


class PreparedCommand:
    """The server process of one folder; it starts with the first command, and again when the folder's settings have changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        self._settings = b""
        self._socket = Path(tempfile.mkdtemp(prefix="sixstack-command-")) / "socket"

    def run(
        self, arguments: list[str], *, environment: Mapping[str, str], feed: str | None, limit: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `python` with these arguments, `-m MODULE`, `-c PROGRAM` or a file first. As subprocess.run does it, with TimeoutExpired after `limit` seconds."""
        self.start(environment)
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            if feed is not None:
                streams[0].write(feed.encode())
                streams[0].seek(0)
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(str(self._socket))
            rights = array.array("i", [stream.fileno() for stream in streams])
            asked = {"arguments": arguments, "environment": dict(environment), "folder": None, "umask": None}
            message = json.dumps(asked).encode() + b"\n"
            connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            connection.settimeout(limit)
            answers = stack.enter_context(connection.makefile("r"))
            process = int(answers.readline())
            try:
                code = int(answers.readline())
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, limit) from None
            said = []
            for stream in streams[1:]:
                stream.seek(0)
                said.append(stream.read().decode())
        return subprocess.CompletedProcess([*map(str, arguments)], code, *said)

    def stop(self) -> None:
        """End the server process; commands that it forked are not touched."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the server process, unless it runs."""
        settings = (self._folder / "prefect.toml").read_bytes()
        if self._server is not None and self._server.poll() is None and settings == self._settings:
            return
        self.stop()
        self._settings = settings
        command = [sys.executable, "-m", "tests.prepared_command", str(self._socket)]
        with (self._folder / "prepared-command.log").open("ab") as log:
            self._server = subprocess.Popen(
                command, cwd=self._folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + START_LIMIT
        while not self._socket.exists():
            assert self._server.poll() is None, (self._folder / "prepared-command.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)  # it binds the socket under its final name when it is ready
        (self._folder / SOCKET_FILE).write_text(str(self._socket), encoding="utf-8")


def serve(path: str) -> NoReturn:
    """Import, listen, and fork for each command."""
    gc.disable()  # what the imports make stays
    for module in _MODULES:
        __import__(module)
    gc.collect()
    gc.freeze()  # else each forked process copies the pages of all these objects when it collects garbage
    gc.enable()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(16)
    Path(f"{path}.new").rename(path)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets a child when it ends
    caller = os.getppid()
    listener.settimeout(5)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            if os.getppid() != caller:  # the tests were killed
                sys.exit()
            continue
        if os.fork() == 0:
            listener.close()
            _answer(connection)
        connection.close()


def _answer(connection: socket.socket) -> NoReturn:
    """Run one command in a child, and report its process id and its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    rights = array.array("i")
    message = b""
    while not message.endswith(b"\n"):
        part, controls, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(3 * rights.itemsize))
        message += part
        for *_, data in controls:
            rights.frombytes(data)
    asked = json.loads(message)
    child = os.fork()
    if child == 0:
        connection.close()
        for number, stream in enumerate(rights):
            os.dup2(stream, number)
            os.close(stream)
        # new objects: these know whether their files can seek, on which changes of their encoding depend
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 they end with the process
        sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
        os.environ.clear()
        os.environ.update(asked["environment"])
        if asked["folder"] is not None:
            _be_a_process_of_its_own(asked["folder"], asked["umask"])
        os._exit(_run(asked["arguments"]))
    connection.sendall(f"{child}\n".encode())
    _wait_for(child, connection)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):  # the caller has given up
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _be_a_process_of_its_own(folder: str, umask: int) -> None:
    """As the worker starts one. Its environment has settings of its own, and Prefect has read those of the server process."""
    from prefect import context

    os.setsid()
    os.chdir(folder)
    os.umask(umask)
    context.GLOBAL_SETTINGS_CONTEXT = context.root_settings_context()


def _wait_for(child: int, connection: socket.socket) -> None:
    """Until the child has ended. It is killed when its caller was killed."""
    ended, gone = os.pidfd_open(child), connection.fileno()
    ready, _, _ = select.select([ended, gone], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    os.close(ended)


def _run(arguments: list[str]) -> int:
    """The exit code of `python` with these arguments."""
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        elif arguments[0] == "-c":
            sys.argv = ["-c", *arguments[2:]]
            exec(arguments[1], {"__name__": "__main__"})
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    # as at the end of every Python process; os._exit leaves it out
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return code


if __name__ == "__main__":
    serve(sys.argv[1])
