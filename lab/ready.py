"""Waits until a lab host answers SSH with its own key and has finished its boot."""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import subprocess
import threading
import time

import paramiko

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Address, Family, family_of
from lab.host import Machine, init_pid, is_running, run_in

_CLONE_NEWNET = 0x40000000
_BOOT_LIMIT = 90.0
_LOG = logging.getLogger("lab.ready.ssh")  # a booting host may close connections, and paramiko would print a traceback for each
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


def wait_ready(machine: Machine) -> str:
    """Wait until sshd answers on every address with the host's key and systemd has started all units; EnvironmentFault after 90 s.

    Returns the failed units (empty: none). They are no error here, because the product or a test may have installed them.
    """
    deadline = time.monotonic() + _BOOT_LIMIT
    for address in machine.addresses:
        while (found := _shown_key(machine, address)) != machine.host_key():
            if found or time.monotonic() > deadline or not _still_booting(machine, deadline):
                raise EnvironmentFault(
                    _why(machine, f"{address} has the SSH host key {found!r}" if found else f"no SSH answer from {address}")
                )
            time.sleep(0.05)
    try:
        state = run_in(machine, ["systemctl", "is-system-running", "--wait"], limit=max(5.0, deadline - time.monotonic())).stdout.strip()
    except subprocess.TimeoutExpired:
        state = "still starting"
    if state == "running":
        return ""
    failed = run_in(machine, ["systemctl", "list-units", "--failed", "--plain", "--no-legend"]).stdout
    units = [line.split()[0] for line in failed.splitlines() if line]
    if state != "degraded" or "lab-host.service" in units:
        raise EnvironmentFault(_why(machine, f"systemd is {state}, failed units: {' '.join(units) or 'none'}"))
    return " ".join(units)


def _still_booting(machine: Machine, deadline: float) -> bool:
    """False after systemd-nspawn has ended. In the first 10 s the host may not have an init yet."""
    return is_running(machine) or deadline - time.monotonic() > _BOOT_LIMIT - 10


def _why(machine: Machine, what: str) -> str:
    log = machine.folder / "console.log"
    tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
    return f"lab host {machine.name} did not boot: {what}. The last lines of its console:\n{tail}"


def _shown_key(machine: Machine, address: Address) -> str:
    """The SSH host key of the server at `address` (`ssh-ed25519 AAAA...`); empty when no server answers yet."""
    transport = None
    try:
        connection = _connect(machine, address)
        connection.settimeout(5)
        transport = paramiko.Transport(connection)
        transport.set_log_channel(_LOG.name)
        transport.start_client(timeout=5)
        key = transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"
    except (OSError, EOFError, paramiko.SSHException):
        return ""
    finally:
        if transport is not None:
            transport.close()


def _connect(machine: Machine, address: Address) -> socket.socket:
    """Open a TCP connection to the host's sshd: from this machine, or from inside the host if the machine has no address of that family."""
    family = family_of(address)
    made: list[socket.socket] = []

    def make() -> None:
        if family not in machine.lab.management and (init := init_pid(machine)) is not None:
            _enter_network_of(init)
        made.append(socket.socket(socket.AF_INET if family is Family.IPV4 else socket.AF_INET6, socket.SOCK_STREAM))

    # only this thread enters the network namespace; the socket stays in that namespace
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made:
        raise OSError("the host has no network namespace any more")
    made[0].settimeout(2)
    try:
        made[0].connect((str(address), 22))
    except OSError:
        made[0].close()
        raise
    return made[0]


def _enter_network_of(pid: int) -> None:
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)
