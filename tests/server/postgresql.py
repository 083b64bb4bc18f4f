"""A PostgreSQL server of Debian's packages on the IPv6 loopback address, in a temporary folder, for tests."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ALL = Path("/usr/lib/postgresql")
_SUPERUSER = "postgres"


def free_port(address: str) -> int:
    """A TCP port that nobody uses on this address at the moment."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Database:
    """A running server with the database `sixstack` of the user `sixstack`."""

    port: int
    password: str  # of that user

    @property
    def url(self) -> str:
        """As for `sixstack setup --postgres`, without the password."""
        return f"postgresql://sixstack@[::1]:{self.port}/sixstack"


@contextmanager
def postgresql(password: str) -> Iterator[Database]:
    """A server for the time of the block. It runs as an unprivileged user, as it refuses to run as root."""
    programs = max(_ALL.glob("*/bin"), key=lambda path: float(path.parent.name))
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    # not in pytest's own folder, which only its user can enter
    folder, port, of_the_superuser = Path(tempfile.mkdtemp(prefix="sixstack-postgresql-")), free_port("::1"), secrets.token_urlsafe(16)
    try:
        (folder / "password").write_text(of_the_superuser)
        for path in (folder, folder / "password"):
            os.chown(path, user.pw_uid, user.pw_gid)
        as_user: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        data, locale = str(folder / "data"), {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        init = [str(programs / "initdb"), "-D", data, "-U", _SUPERUSER, "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-N"]
        subprocess.run(init, cwd=folder, env=locale, check=True, capture_output=True, **as_user)
        options = {"listen_addresses": "::1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        start = [str(programs / "postgres"), "-D", data, *(word for name, value in options.items() for word in ("-c", f"{name}={value}"))]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(start, cwd=folder, stdout=log, stderr=log, **as_user)
        try:
            client = [str(programs / "psql"), "-h", "::1", "-p", str(port), "-U", _SUPERUSER, "-v", "ON_ERROR_STOP=1", "-q"]
            environment = {**os.environ, "PGPASSWORD": of_the_superuser}
            deadline = time.monotonic() + 30
            while subprocess.run([*client, "-c", "SELECT 1"], env=environment, check=False, capture_output=True, timeout=30).returncode:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.2)
            # the two commands of docs/how-to/team.md
            quoted = password.replace("'", "''")
            make = f"CREATE ROLE sixstack LOGIN PASSWORD '{quoted}';\nCREATE DATABASE sixstack OWNER sixstack;\n"
            subprocess.run(client, input=make, env=environment, check=True, text=True, timeout=30)
            yield Database(port, password)
        finally:
            server.send_signal(signal.SIGINT)  # "fast": it ends its connections
            server.wait(30)
    finally:
        shutil.rmtree(folder)
