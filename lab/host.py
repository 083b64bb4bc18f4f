"""One lab host: disk, boot, power failure and processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Address, Family
from lab import cgroup
from lab.base import DEPLOY_USER, OPS_USER
from lab.command import command
from lab.mounts import mounted_below, remove_tree, unmount_below
from lab.network import bridge_ports, remove_link
from lab.state import Lab, make_key, public_key, write_private

# On the machine's file system: overlayfs cannot be stacked on overlayfs, and etcd needs a real fsync.
_OWN_FOLDERS = ("containerd", "kubelet", "etcd")
_SYSCALLS = "@keyring bpf @privileged @mount perf_event_open add_key request_key keyctl"
# These would change the machine, so the host's root must not call them.
_NO_SYSCALLS = "~@swap clock_settime clock_settime64 settimeofday adjtimex clock_adjtime clock_adjtime64 kexec_load kexec_file_load"
_NETWORK_FILE = "etc/systemd/network/10-host0.network"  # sorts before Debian's 80-container-host0.network
_LAUNCHER = Path(__file__).with_name("launch.sh")


@dataclass(frozen=True)
class Machine:
    """One host of a lab, with everything that is needed to boot it."""

    lab: Lab
    number: int

    @property
    def name(self) -> str:
        """The host name, which is also the name of the machine and the cgroup."""
        return self.lab.host_name(self.number)

    @property
    def folder(self) -> Path:
        """The folder with the host's disk and log."""
        return self.lab.host_folder(self.name)

    @property
    def root(self) -> Path:
        """The mount point of the root file system while the host runs."""
        return self.folder / "root"

    @property
    def link(self) -> str:
        """The name of the host's link on this machine, as systemd-nspawn chooses it."""
        return f"vb-{self.name}"

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The host's addresses, IPv4 first."""
        return tuple(self.lab.network.address(self.number, family) for family in (Family.IPV4, Family.IPV6) if family in self.lab.families)

    def host_key(self) -> str:
        """The public SSH host key; empty before the first boot."""
        path = self.folder / "ssh_host_ed25519_key"
        return public_key(path) if path.exists() else ""


def is_running(machine: Machine) -> bool:
    """Whether the host has a supervisor, an init, its root and its link. `power_off` removes a host with only some of these."""
    cabled = machine.link in bridge_ports(machine.lab.network.bridge)
    return cabled and bool(_supervisors(machine)) and init_pid(machine) is not None and machine.root in mounted_below(machine.root)


def has_its_addresses(machine: Machine) -> bool:
    """Whether the host booted with the addresses that it should have now."""
    booted_with = machine.root / _NETWORK_FILE
    return booted_with.exists() and booted_with.read_text() == network_file(machine)


def init_pid(machine: Machine) -> int | None:
    """The process id of the host's init on this machine; None when the host is off."""
    for pid in sorted(cgroup.processes(machine.lab.name, machine.name)):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        spaces = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
        if len(spaces) == 2 and spaces[1] == "1":
            return pid
    return None


def _supervisors(machine: Machine) -> list[int]:
    """The ids of the host's systemd-nspawn processes."""
    return [pid for pid, argv in _outside(machine) if argv[0].endswith("systemd-nspawn")]


def _outside(machine: Machine) -> list[tuple[int, list[str]]]:
    """The processes that run this host (launcher, systemd-nspawn), found by the root on their command line, which is never stale."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_text(errors="replace").split("\0")
            except OSError:  # the process has ended
                continue
            if f"--directory={machine.root}" in argv:
                found.append((int(entry.name), argv))
    return found


def boot(machine: Machine, base: Path) -> None:
    """Boot the host with its disk, or with a new one. `lab.ready` waits until SSH answers, some seconds later."""
    _make_disk(machine)
    _mount_root(machine, base)
    _write_identity(machine)
    _launch(machine)


def power_off(machine: Machine) -> None:
    """Simulate a power failure: all processes end at once, the disk stays. Safe for a host that is off or incomplete.

    The link is removed first, and all processes are stopped, so that no process can report or record the end of another process.
    """
    remove_link(machine.link)
    for pid, argv in _outside(machine):
        if not argv[0].endswith("systemd-nspawn"):
            _kill(pid)  # the launcher first, so that it does not boot the host again
    init = init_pid(machine)
    for _ in range(2):  # the second time for processes that were started meanwhile
        for pid in cgroup.processes(machine.lab.name, machine.name):
            _stop(pid)
    if init is not None:
        _kill(init)  # the kernel then kills its PID namespace
    _kill_outside(machine)
    cgroup.kill(machine.lab.name, machine.name)  # last: until then, a systemd-nspawn may enter the cgroups and start a process there
    cgroup.remove(machine.lab.name, machine.name)
    unmount_below(machine.folder)


def scrap(machine: Machine) -> None:
    """Power the host off and remove its disk."""
    power_off(machine)
    remove_tree(machine.folder)


def _kill_outside(machine: Machine, *, limit: float = 20) -> None:
    deadline = time.monotonic() + limit
    while left := _outside(machine):
        if time.monotonic() > deadline:
            raise EnvironmentFault(f"processes {sorted(pid for pid, _ in left)} of {machine.name} could not be killed within {limit:.0f} s")
        for pid, _ in left:
            _kill(pid)
        time.sleep(0.02)


def _stop(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _make_disk(machine: Machine) -> None:
    """Create an empty disk and a host key. An incomplete disk is created again."""
    done = machine.folder / "made"
    if done.exists():
        return
    remove_tree(machine.folder)
    for name in ("upper", "work", "root", *_OWN_FOLDERS):
        (machine.folder / name).mkdir(parents=True)
    make_key(machine.folder / "ssh_host_ed25519_key")
    (machine.folder / "identity").write_text(f"{uuid.uuid4()}\n{uuid.uuid4()}\n")
    done.touch()


def _mount_root(machine: Machine, base: Path) -> None:
    unmount_below(machine.root)
    options = f"lowerdir={base},upperdir={machine.folder / 'upper'},workdir={machine.folder / 'work'}"
    command(["mount", "-t", "overlay", f"lab-{machine.name}", "-o", options, str(machine.root)])


def network_file(machine: Machine) -> str:
    """The host's .network file: a static address and a default route for each family, without autoconfiguration and duplicate address detection."""
    network = machine.lab.network
    lines = ["[Match]", "Name=host0", "", "[Network]", "DHCP=no", "IPv6AcceptRA=no", "LinkLocalAddressing=ipv6", "LLMNR=no"]
    for family in machine.lab.families:
        address = f"{network.address(machine.number, family)}/{network.range(family).prefixlen}"
        lines += [
            "",
            "[Address]",
            f"Address={address}",
            "DuplicateAddressDetection=none",
            "",
            "[Route]",
            f"Gateway={network.gateway(family)}",
        ]
    return "\n".join(lines) + "\n"


def _write_identity(machine: Machine) -> None:
    """Write the identity of the host: names, ids, addresses, keys and passwords."""
    root = machine.root
    machine_id, product = (machine.folder / "identity").read_text().split()
    lab_key = public_key(machine.lab.key_file)
    gateways = [machine.lab.network.gateway(family) for family in machine.lab.families]
    own = "".join(f"{address} {machine.name}\n" for address in machine.addresses)
    texts = {
        "etc/hostname": f"{machine.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{own}",
        "etc/machine-id": machine_id.replace("-", "") + "\n",
        # a name server of each family that does not answer: these hosts have no access to other networks
        "etc/resolv.conf": "".join(f"nameserver {gateway}\n" for gateway in gateways),
        _NETWORK_FILE: network_file(machine),
        "etc/lab-host/product_uuid": product + "\n",
        "etc/ssh/ssh_host_ed25519_key.pub": machine.host_key() + "\n",
        "root/.ssh/authorized_keys": f"{lab_key} lab-{machine.lab.name}\n",
        f"home/{OPS_USER}/.ssh/authorized_keys": f"{lab_key} lab-{machine.lab.name}\n",
        f"home/{DEPLOY_USER}/.ssh/authorized_keys": f"{lab_key} lab-{machine.lab.name}\n",
    }
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.unlink(missing_ok=True)  # resolv.conf may be a link
            path.write_text(text)
    for user, home in (("root", root / "root"), (OPS_USER, root / "home" / OPS_USER), (DEPLOY_USER, root / "home" / DEPLOY_USER)):
        _own(home / ".ssh", 0o700, root, user)
        _own(home / ".ssh/authorized_keys", 0o600, root, user)
    (root / "etc/lab-host/product_uuid").chmod(0o400)
    host_key = root / "etc/ssh/ssh_host_ed25519_key"
    text = (machine.folder / "ssh_host_ed25519_key").read_text()
    if not host_key.exists() or host_key.read_text() != text:
        write_private(host_key, text)
    _set_password(root, OPS_USER, machine.lab)


def _set_password(root: Path, user: str, lab: Lab) -> None:
    """Set the lab's password for `user` if it has none. Without chpasswd, which leaves lock files in the host's /etc when it is killed."""
    shadow = root / "etc/shadow"
    accounts = [line.split(":") for line in shadow.read_text().splitlines()]
    mine = next(account for account in accounts if account[0] == user)
    if not mine[1].startswith("$"):
        mine[1] = command(["chroot", str(root), "openssl", "passwd", "-6", "-stdin"], feed=lab.sudo_password() + "\n").strip()
        owner = shadow.stat()
        write_private(shadow, "".join(":".join(account) + "\n" for account in accounts))
        os.chown(shadow, owner.st_uid, owner.st_gid)
        shadow.chmod(owner.st_mode & 0o777)


def _own(path: Path, mode: int, root: Path, user: str) -> None:
    accounts = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    uid, gid = next((int(account[2]), int(account[3])) for account in accounts if account[0] == user)
    os.chown(path, uid, gid)
    path.chmod(mode)


def nspawn_argv(machine: Machine, *, devices: Sequence[Path], modules: Path | None) -> list[str]:
    """The command line of systemd-nspawn for this host."""
    binds = [f"--bind={device}" for device in devices]
    binds += [f"--bind={machine.folder / name}:/var/lib/{name}" for name in _OWN_FOLDERS]
    binds += [f"--bind-ro={modules}"] if modules else []
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--capability=all",
        f"--system-call-filter={_SYSCALLS}",
        f"--system-call-filter={_NO_SYSCALLS}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        "--rlimit=RLIMIT_NOFILE=1024:1048576",  # Debian's limit; that of the caller may be lower
        f"--network-bridge={machine.lab.network.bridge}",
        *binds,
        f"--machine={machine.name}",
        f"--directory={machine.root}",
        "--boot",
    ]


def _launch(machine: Machine) -> None:
    """Start the host detached: it outlives this process, and its console is written to a file."""
    remove_link(machine.link)
    folders = cgroup.make(machine.lab.name, machine.name)
    devices = [device for device in (Path("/dev/kmsg"), Path("/dev/fuse")) if device.exists()]
    modules = Path("/lib/modules")
    argv = nspawn_argv(machine, devices=devices, modules=modules if (modules / os.uname().release).is_dir() else None)
    program = shutil.which(argv[0])
    if program is None:
        raise EnvironmentFault("systemd-nspawn is not installed on this machine: install systemd-container")
    surroundings = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    launch = ["setsid", "--fork", "/bin/sh", str(_LAUNCHER), machine.link, *map(str, folders), "--", program, *argv[1:]]
    with (machine.folder / "console.log").open("ab") as log:
        subprocess.run(launch, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=surroundings, check=True, timeout=20)


def run_in(machine: Machine, argv: Sequence[str], *, limit: float = 60, feed: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `argv` in the host as root, without SSH; EnvironmentFault when the host is off."""
    init = init_pid(machine)
    if init is None:
        raise EnvironmentFault(f"{machine.name} is off: boot it with `sixstack lab up --lab {machine.lab.name}`")
    spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
    return subprocess.run(
        ["nsenter", f"--target={init}", *spaces, "--", *argv],
        input=feed,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=limit,
        check=False,
    )
