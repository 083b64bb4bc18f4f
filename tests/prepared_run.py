"""What the worker of a test's server starts for a flow run: it has the process of tests/prepared_command.py fork for `python -m prefect.engine`.

Tests start it for other programs, which they look at or end while these run.

This process stands for the run: a signal for it reaches the run, the run ends when it is killed, and it ends as the run does. It imports next to
nothing, because a run's start would cost a second and a half of processor time otherwise. Where no process is prepared, or where a test asks for a
start as it is, it becomes the run itself.
"""

import array
import json
import os
import signal
import socket
import sys
import time

# in the folder of the worker, or of a test's program: a path, because a socket's own is limited to a hundred characters
SOCKET_FILE = "prepared-command.socket"
OWN_STARTS = "own-starts"  # with this file in the folder, runs start as they do without a test
HELD = "held-runs"  # with this file, a run waits before it begins


def main() -> None:
    """Ends with the exit code of the run."""
    arguments = sys.argv[1:]
    worker = os.readlink(f"/proc/{os.getppid()}/cwd")
    folder = os.getcwd() if os.path.exists(SOCKET_FILE) else worker
    while os.path.exists(os.path.join(folder, HELD)):
        time.sleep(0.05)  # a signal ends this process, as it would end a run that has just been started
    connection = socket.socket(socket.AF_UNIX)
    try:
        if os.path.exists(os.path.join(folder, OWN_STARTS)):
            raise FileNotFoundError
        with open(os.path.join(folder, SOCKET_FILE), encoding="utf-8") as file:
            connection.connect(file.read())
    except OSError:
        connection.close()
        os.execv(sys.executable, [sys.executable, *arguments])
    umask = os.umask(0o077)
    asked = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd(), "umask": umask}
    connection.sendmsg([json.dumps(asked).encode() + b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    answers = connection.makefile("r")
    process = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: os.kill(process, received))
    code = int(answers.readline() or 1)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
