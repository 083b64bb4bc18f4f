"""How the Prefect server and the worker of a folder run: as systemd units, which survive a reboot, or as processes in the background."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Protocol

from blocks.new_file import make_private_folder
from cluster.vocabulary.errors import EnvironmentFault
from server import processes
from server.folder import ServerFolder

UNITS = {"server": "sixstack-prefect-server.service", "worker": "sixstack-prefect-worker.service"}
_TEMPLATE = Path(__file__).parent / "unit.service.template"
_SYSTEM_UNITS = Path("/etc/systemd/system")
_LOG_LINES = 20


class Services(Protocol):
    """The `server` and the `worker` of one folder."""

    @property
    def kind(self) -> str:
        """For people: what runs them."""

    def start(self, name: str) -> None:
        """Start one; a running one stays."""

    def stop(self, name: str) -> bool:
        """Stop one; whether it was running."""

    def runs(self, name: str) -> bool:
        """Whether it runs."""

    def log(self, name: str) -> str:
        """The command that shows its log."""

    def last_lines(self, name: str) -> str:
        """The end of its log."""


def temporary_folder(folder: Path) -> Path:
    """The folder for temporary files: Prefect's worker makes /tmp/runner_storage for its user alone, and the workers of other users end."""
    return folder / "tmp"


def arguments_of(name: str) -> tuple[str, ...]:
    """Arguments of Python for the `server` or the `worker` of this machine. Workers of one pool need different names."""
    return processes.SERVER if name == "server" else processes.worker(processes.worker_name())


@dataclass(frozen=True)
class Background:
    """Processes of their own session, which a reboot ends."""

    folder: ServerFolder

    @property
    def kind(self) -> str:
        """For people."""
        return "a process in the background"

    def start(self, name: str) -> None:
        """Start one; a running one stays."""
        if self.runs(name):
            return
        # a killed worker may have left the process of a run, which goes on
        if name == "worker" and self.folder.settings.has_server and not processes.flow_runs(self.folder.api):
            self.folder.crash_lost_runs(lambda _: None, worker=processes.worker_name())
        make_private_folder(temporary_folder(self.folder.root))
        processes.spawn(
            self.folder.root,
            arguments_of(name),
            log=self._log(name),
            environment=self.folder.environment() | {"TMPDIR": str(temporary_folder(self.folder.root))},
            is_private=name == "worker",  # the server copies its UI into Prefect's own folder, for all users
        )

    def stop(self, name: str) -> bool:
        """Stop one with its descendants; whether it was running."""
        process = processes.find(self.folder.root, arguments_of(name))
        if process is not None:
            processes.end(process)
        return process is not None

    def runs(self, name: str) -> bool:
        """Whether there is a process."""
        return processes.find(self.folder.root, arguments_of(name)) is not None

    def log(self, name: str) -> str:
        """The command that shows its log."""
        return f"tail -f {self._log(name)}"

    def last_lines(self, name: str) -> str:
        """The end of its log."""
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines() if self._log(name).exists() else []
        return "\n".join(lines[-_LOG_LINES:])

    def _log(self, name: str) -> Path:
        return self.folder.root / f"{name}.log"


@dataclass(frozen=True)
class SystemdUnits:
    """Units of the system for root, and of the user's own manager for everybody else."""

    folder: ServerFolder
    is_system: bool

    @property
    def kind(self) -> str:
        """For people."""
        return f"a systemd unit of the {'system' if self.is_system else 'user'}"

    def file(self, name: str) -> Path:
        """The file of a unit."""
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return (_SYSTEM_UNITS if self.is_system else config / "systemd" / "user") / UNITS[name]

    @property
    def installed(self) -> bool:
        """Whether the units are there and belong to this folder."""
        return owner_of(self.file("worker")) == self.folder.root

    def fault(self) -> str | None:
        """Why the units cannot be installed: another folder has them. None when they can."""
        for name in UNITS:
            other = owner_of(self.file(name))
            if other not in {None, self.folder.root}:
                return f"{self.file(name)} is of the server of {other}: remove that one first (`sixstack server down --purge`), or use --background"
        return None

    def install(self, names: Sequence[str]) -> None:
        """Write and enable these units. A unit that changed is stopped, for a start as it is now."""
        make_private_folder(temporary_folder(self.folder.root))
        for name in names:
            text = unit_text(name, self.folder.root, has_server="server" in names, is_system=self.is_system)
            if not self.file(name).exists() or self.file(name).read_text(encoding="utf-8") != text:
                self.stop(name)
                self.write(name, text)
        self._systemctl("daemon-reload")
        self._systemctl("--quiet", "enable", *(UNITS[name] for name in names))

    def write(self, name: str, text: str) -> None:
        """Write the file of a unit. Whatever the umask is, only its owner can change what runs."""
        file = self.file(name)
        make_private_folder(file.parent)
        file.touch(mode=0o644)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o644)

    def remove(self) -> None:
        """Remove the units, which are stopped."""
        for name, unit in UNITS.items():
            if self.file(name).exists():
                self._systemctl("--quiet", "disable", unit)
                self.file(name).unlink()
        self._systemctl("daemon-reload")

    def start(self, name: str) -> None:
        """Start one; a running one stays."""
        self._systemctl("start", "--no-block", UNITS[name])

    def stop(self, name: str) -> bool:
        """Stop one; whether it was running."""
        was_running = self.runs(name)
        if self.file(name).exists():
            self._systemctl("stop", UNITS[name])
        return was_running

    def runs(self, name: str) -> bool:
        """Whether systemd has a process of it, or is about to start it again."""
        return self._call("is-active", UNITS[name]).stdout.strip() in {"active", "activating", "reloading"}

    def log(self, name: str) -> str:
        """The command that shows its log."""
        return f"journalctl{'' if self.is_system else ' --user'} -u {UNITS[name]}"

    def last_lines(self, name: str) -> str:
        """The end of its log."""
        user = [] if self.is_system else ["--user"]
        command = ["journalctl", *user, "-u", UNITS[name], "-n", str(_LOG_LINES), "-o", "cat", "--no-pager"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout

    def lingers(self) -> bool:
        """Whether the units start at boot: those of a user do only if the user lingers. Asks systemd to let the user linger."""
        command = ["loginctl", "--no-ask-password", "enable-linger"]
        return self.is_system or subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0

    def _systemctl(self, *arguments: str) -> None:
        done = self._call(*arguments)
        if done.returncode:
            raise EnvironmentFault(f"systemctl {' '.join(arguments)} failed: {done.stderr.strip() or done.stdout.strip()}")

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["systemctl", *([] if self.is_system else ["--user"]), *arguments], capture_output=True, text=True, check=False, timeout=120
        )


def units_of(folder: ServerFolder) -> SystemdUnits:
    """The units of the user who runs this command."""
    return SystemdUnits(folder, is_system=os.geteuid() == 0)


def why_no_systemd(user: int, booted: Path = Path("/run/systemd/system")) -> str | None:
    """Why units cannot be used here, with the remedy; None when they can."""
    if not booted.is_dir():
        return "systemd does not run this machine"
    if user == 0:
        return None
    answer = subprocess.run(["systemctl", "--user", "show-environment"], capture_output=True, text=True, check=False, timeout=30)
    if answer.returncode == 0:
        return None
    return f"systemd's manager of this user does not answer ({answer.stderr.strip()}): log in as this user, not with su or sudo"


def services_of(folder: ServerFolder) -> Services:
    """What runs the server and the worker of a folder that was set up."""
    units = units_of(folder)
    return units if units.installed else Background(folder)


def owner_of(unit: Path) -> Path | None:
    """The folder whose server or worker a unit file runs; None when there is no such file."""
    try:
        lines = unit.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    return next(
        (Path(line.removeprefix("WorkingDirectory=").replace("%%", "%")) for line in lines if line.startswith("WorkingDirectory=")), None
    )


def unit_text(name: str, folder: Path, *, has_server: bool, is_system: bool, python: str = sys.executable) -> str:
    """The unit of the `server` or the `worker`. `has_server`: the server is a unit of this machine too."""
    # the runs of this machine's worker that are active when it starts lost theirs. A server elsewhere may have a worker of the same name
    lost = f"ExecStartPre={_words(python, '-m', 'server.lost_runs')}"
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=name,
        after=UNITS["server"] if name == "worker" and has_server else "",
        folder=str(folder).replace("%", "%%"),  # to the end of the line, without quotes
        temporary=_words(f"TMPDIR={temporary_folder(folder)}", is_command=False),
        before=lost if name == "worker" and has_server else "",
        command=_words(python, *arguments_of(name)),
        # the results of runs are for this user alone; the server copies its UI into Prefect's own folder, for all users
        umask="0077" if name == "worker" else "0022",
        target="multi-user.target" if is_system else "default.target",
    )


def _words(*words: str, is_command: bool = True) -> str:
    """Words in quotes, with what systemd would replace (https://www.freedesktop.org/software/systemd/man/systemd.service): variables in commands."""
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") for word in words)
    return " ".join(f'"{word.replace("$", "$$") if is_command else word}"' for word in quoted)
