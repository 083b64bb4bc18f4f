"""Faults of a lab host, as context managers that remove the fault also when the test fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Address, Family
from lab.base import apt_settings
from lab.host import Machine, init_pid, run_in

_TABLE = "sixstack_lab_fault"


def _do(machine: Machine, script: str) -> str:
    """Run a shell script in the host; EnvironmentFault when it fails."""
    done = run_in(machine, ["sh", "-eu", "-s"], feed=script)
    if done.returncode:
        raise EnvironmentFault(f"{machine.name}: fault could not be set or taken away: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def file_shown(machine: Machine, path: str, text: str) -> Iterator[None]:
    """While inside, everybody in the host reads `text` in the file `path`, of /proc too."""
    copy = f"/run/lab-host/fault{path.replace('/', '.')}"
    _do(machine, f"cat > {copy} <<'LAB_END'\n{text.rstrip()}\nLAB_END\nmount --bind {copy} {path}\n")
    try:
        yield
    finally:
        _do(machine, f"umount {path}; rm {copy}\n")


@contextmanager
def little_memory(machine: Machine, mebibytes: int = 512) -> Iterator[None]:
    """While inside, /proc/meminfo tells of a host with that much memory. (kubeadm's own check asks the kernel, and sees the machine's.)"""
    kib = mebibytes * 1024
    with file_shown(machine, "/proc/meminfo", f"MemTotal: {kib} kB\nMemFree: {kib // 2} kB\nMemAvailable: {kib // 2} kB\nSwapTotal: 0 kB"):
        yield


@contextmanager
def swap_on(machine: Machine) -> Iterator[None]:
    """While inside, /proc/swaps lists a swap partition; no swap is made."""
    text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/vdb1                               partition\t1048572\t\t0\t\t-2"
    with file_shown(machine, "/proc/swaps", text):
        yield


@contextmanager
def busy_port(machine: Machine, port: int) -> Iterator[None]:
    """While inside, somebody (systemd, for the unit lab-fault-PORT) listens on the TCP port, on all addresses."""
    unit = f"lab-fault-{port}"
    _do(machine, f"systemd-run --quiet --unit={unit} --socket-property=ListenStream={port} --socket-property=Accept=no sleep 1\n")
    try:
        yield
    finally:
        # a unit that failed, here because it was started too often, stays loaded until it is reset
        _do(
            machine,
            f"systemctl stop {unit}.socket {unit}.service 2>/dev/null || true\nsystemctl reset-failed '{unit}.*' 2>/dev/null || true\n",
        )


@contextmanager
def firewall(machine: Machine, *rules: str, hook: str = "input") -> Iterator[None]:
    """While inside, these nftables rules are the host's chain at that hook: `tcp dport 6443 drop`, `udp dport 8472 drop`, `ip6 saddr ... drop`."""
    lines = "".join(f"add rule inet {_TABLE} {hook} {rule}\n" for rule in rules)
    chain = f"{{ type filter hook {hook} priority -10; policy accept; }}"
    _do(machine, f"nft -f - <<'LAB_END'\nadd table inet {_TABLE}\nadd chain inet {_TABLE} {hook} {chain}\n{lines}LAB_END\n")
    try:
        yield
    finally:
        _do(machine, f"nft delete table inet {_TABLE}\n")


@contextmanager
def without_address(machine: Machine, family: Family) -> Iterator[None]:
    """While inside, the host lacks its address and default route of one family. Keep a way in: SSH over the other one."""
    address: Address = machine.lab.network.address(machine.number, family)
    prefix, gateway = machine.lab.network.range(family).prefixlen, machine.lab.network.gateway(family)
    version = "-4" if family is Family.IPV4 else "-6"
    _do(machine, f"ip {version} route flush default\nip {version} address del {address}/{prefix} dev host0\n")
    try:
        yield
    finally:
        nodad = "" if family is Family.IPV4 else "nodad"
        _do(machine, f"ip {version} address replace {address}/{prefix} dev host0 {nodad}\n")
        _do(machine, f"ip {version} route replace default via {gateway} dev host0\n")


@contextmanager
def foreign_service(machine: Machine, name: str = "docker") -> Iterator[None]:
    """While inside, somebody else's service (docker, containerd, ...) is installed and runs: /usr/bin/NAME, NAME.service.

    A stand-in that sleeps: the real packages can't be had in a host that has no way out.
    """
    program, unit = f"/usr/bin/{name}", f"/etc/systemd/system/{name}.service"
    _do(
        machine,
        f"printf '#!/bin/sh\\nexec sleep infinity\\n' > {program}\nchmod 755 {program}\n"
        f"printf '[Unit]\\nDescription={name} of somebody else\\n[Service]\\nExecStart={program}\\n' > {unit}\n"
        f"systemctl daemon-reload\nsystemctl start {name}.service\n",
    )
    try:
        yield
    finally:
        _do(machine, f"systemctl stop {name}.service\nrm -f {unit} {program}\nsystemctl daemon-reload\n")


@contextmanager
def changed(machine: Machine, script: str, undo: str) -> Iterator[None]:
    """While inside, the host is as the script leaves it."""
    _do(machine, script)
    try:
        yield
    finally:
        _do(machine, undo)


@contextmanager
def stand_in(machine: Machine, command: str, script: str) -> Iterator[None]:
    """While inside, this shell script is the first command of that name in PATH. For states that belong to the whole machine."""
    path = f"/usr/local/bin/{command}"
    with changed(machine, f"cat > {path} <<'LAB_END'\n#!/bin/sh\n{script.rstrip()}\nLAB_END\nchmod 755 {path}\n", f"rm {path}\n"):
        yield


@contextmanager
def kernel_without(machine: Machine, option: str, module: str) -> Iterator[None]:
    """While inside, /proc/config.gz, /proc/filesystems and /sys/module (if the host has it) show a kernel without the module."""
    with changed(
        machine,
        f"""
        gzip -dc /proc/config.gz | grep -v '^{option}=' | gzip > /run/lab-host/config.gz
        grep -vw {module} /proc/filesystems > /run/lab-host/filesystems
        mount --bind /run/lab-host/config.gz /proc/config.gz
        mount --bind /run/lab-host/filesystems /proc/filesystems
        if [ -d /sys/module ]; then mount -t tmpfs none /sys/module; fi
        """,
        """
        umount /proc/filesystems /proc/config.gz
        if mountpoint -q /sys/module; then umount /sys/module; fi
        rm /run/lab-host/config.gz /run/lab-host/filesystems
        """,
    ):
        yield


@contextmanager
def link_to_a_router(machine: Machine) -> Iterator[None]:
    """While inside, the host has a link `ra0` with accept_ra 1. At its other end, `ra1` in the host's network namespace `router`, is a router."""
    with changed(
        machine,
        """
        ip link add ra0 type veth peer name ra1
        echo 1 >/proc/sys/net/ipv6/conf/ra0/accept_ra
        ip netns add router; ip link set ra1 netns router; ip -n router link set ra1 up; ip link set ra0 up
        ip netns exec router sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
        until ip -n router -6 address show dev ra1 | grep -v tentative | grep -q fe80; do sleep 0.1; done
        """,
        "ip link delete ra0; ip netns delete router",
    ):
        yield


@contextmanager
def advertised(machine: Machine, *arguments: str) -> Iterator[None]:
    """While inside, the router of `link_to_a_router` sends advertisements three times a second (advertise_router.py)."""
    script = Path(__file__).parents[1] / "templates" / "advertise_router.py"
    namespace = f"--net=/proc/{init_pid(machine)}/root/run/netns/router"
    with subprocess.Popen(["nsenter", namespace, sys.executable, str(script), "ra1", *arguments]) as router:
        try:
            yield
        finally:
            router.kill()


def install(machine: Machine, *packages: str) -> None:
    """Install Debian packages on the host, which itself has no way out: apt runs in its mount namespace, with the network of the machine."""
    settings = apt_settings(subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout)
    _do(machine, f"cat > /run/lab-host/apt.conf <<'LAB_END'\n{settings}LAB_END\n")
    script = f"""
    export DEBIAN_FRONTEND=noninteractive APT_CONFIG=/run/lab-host/apt.conf
    apt-get -q update && apt-get -q -y --no-install-recommends install {" ".join(packages)}
    """
    spaces = ["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd"]
    argv = ["nsenter", f"--target={init_pid(machine)}", *spaces, "--", "sh", "-c", script]
    with file_shown(machine, "/etc/resolv.conf", Path("/etc/resolv.conf").read_text()):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise EnvironmentFault(f"{machine.name}: {packages} could not be installed: {(done.stdout + done.stderr)[-800:]}")


def remove(machine: Machine, *packages: str) -> None:
    """Remove Debian packages from the host, with their settings."""
    _do(machine, f"DEBIAN_FRONTEND=noninteractive apt-get -q -y purge --autoremove {' '.join(packages)} >/dev/null")
