"""Create, show and remove a lab, for `sixstack lab` and the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Family
from lab import cgroup, host, state
from lab.base import DEFAULT_DEBIAN, SUITES, ensure_base
from lab.host import Machine
from lab.inotify import check_inotify
from lab.mounts import remove_tree
from lab.network import MAX_HOSTS, bridge_down, bridge_up, lab_network
from lab.packages import install_missing
from lab.ready import wait_ready
from lab.state import BOTH, DEFAULT_LAB, Lab, LabHost

Report = Callable[[str], None]
_DEFAULT_HOSTS = 3


def _silent(_line: str) -> None:
    return


def up(
    name: str = DEFAULT_LAB,
    *,
    hosts: int | None = None,
    families: Sequence[Family] | None = None,
    management: Sequence[Family] | None = None,
    debian: int | None = None,
    report: Report = _silent,
) -> tuple[LabHost, ...]:
    """Create or change the lab, and wait until every host answers SSH. Without a difference nothing changes.

    Omitted arguments keep their current value (in a new lab: three hosts, both families, management in both, Debian 12). Surplus hosts are
    removed, hosts that are off boot with their disk, and hosts with changed families reboot with the new addresses. The release of Debian
    cannot change, because the disks of the hosts belong to it: EnvironmentFault.
    """
    _need_root()
    folder = state.lab_folder(name)
    if hosts is not None and not 1 <= hosts <= MAX_HOSTS:
        raise ValueError(f"expected 1 to {MAX_HOSTS} hosts, got {hosts}")
    if debian is not None and debian not in SUITES:
        raise ValueError(f"expected Debian {' or '.join(map(str, SUITES))}, got {debian}")
    install_missing(report)
    debian = _debian(name, state.load(name), debian)
    base = ensure_base(report, debian)
    with state.locked(folder):
        before = state.load(name)
        lab = _wanted(name, before, hosts, families, management, debian)
        state.save(lab)
        state.make_credentials(lab)
        bridge_up(lab.network, lab.management)
        _remove_surplus(lab, report)
        machines = _machines(lab)
        to_boot = [machine for machine in machines if not (host.is_running(machine) and host.has_its_addresses(machine))]
        off = [machine for machine in to_boot if not host.is_running(machine)]
        if off and (warning := check_inotify(len(off))):
            report(warning)
        with ThreadPoolExecutor(len(machines)) as pool:
            list(pool.map(lambda machine: _converge(machine, base if machine in to_boot else None, report), machines))
    return status(name)


def _wanted(
    name: str,
    before: Lab | None,
    hosts: int | None,
    families: Sequence[Family] | None,
    management: Sequence[Family] | None,
    debian: int,
) -> Lab:
    debian = _debian(name, before, debian)  # the lab may be new since the first look
    index = state.claim_index(name, before.index if before else None)
    old = before or Lab(name=name, folder=state.lab_folder(name), index=index, hosts=_DEFAULT_HOSTS, families=BOTH, management=BOTH)
    return replace(
        old,
        index=index,
        hosts=hosts if hosts is not None else old.hosts,
        families=_ordered(families) if families is not None else old.families,
        management=_ordered(management) if management is not None else old.management,
        debian=debian,
    )


def _debian(name: str, before: Lab | None, wanted: int | None) -> int:
    """The release of Debian of the lab's hosts; EnvironmentFault when they have another release than `wanted`."""
    if before is None:
        return DEFAULT_DEBIAN if wanted is None else wanted
    if wanted not in {None, before.debian}:
        raise EnvironmentFault(
            f"the hosts of lab {name} have Debian {before.debian}, not {wanted}: remove the lab first (`sixstack lab down --lab {name}`), "
            "or choose another name for the new lab"
        )
    return before.debian


def _ordered(families: Sequence[Family]) -> tuple[Family, ...]:
    """The families without duplicates, IPv4 first; ValueError for an empty sequence."""
    if not families:
        raise ValueError("specify at least one address family")
    return tuple(family for family in BOTH if family in families)


def _converge(machine: Machine, base: Path | None, report: Report) -> None:
    """Boot the host on `base`, if given, and wait until it answers."""
    started = time.monotonic()
    if base is not None:
        host.power_off(machine)
        host.boot(machine, base)
    failed = wait_ready(machine)
    if base is not None:
        report(f"{machine.name} answers SSH after {time.monotonic() - started:.1f} s: {', '.join(map(str, machine.addresses))}")
    if failed:
        report(f"{machine.name}: failed systemd units: {failed}")


def _remove_surplus(lab: Lab, report: Report) -> None:
    wanted = {machine.name for machine in _machines(lab)}
    for path in sorted((lab.folder / "hosts").glob("*")):
        if path.name not in wanted:
            report(f"removing host {path.name}")
            host.scrap(Machine(lab, int(path.name.rpartition("-")[2])))


def _machines(lab: Lab) -> list[Machine]:
    return [Machine(lab, number) for number in range(1, lab.hosts + 1)]


def status(name: str = DEFAULT_LAB) -> tuple[LabHost, ...]:
    """The hosts of a lab, in order; empty when the lab does not exist."""
    _need_root()
    lab = state.load(name)
    if lab is None:
        return ()
    return tuple(
        LabHost(
            name=machine.name,
            number=machine.number,
            addresses=machine.addresses,
            host_key=machine.host_key(),
            state="running" if host.is_running(machine) else "off",
            folder=machine.folder,
        )
        for machine in _machines(lab)
    )


def lab_of(name: str = DEFAULT_LAB) -> Lab:
    """The lab with its keys, families and network; EnvironmentFault when it does not exist."""
    _need_root()
    lab = state.load(name)
    if lab is None:
        raise EnvironmentFault(f"there is no lab {name}: create it with `sixstack lab up --lab {name}`")
    return lab


def machine_of(host_name: str, name: str = DEFAULT_LAB) -> Machine:
    """The host of a lab with this name; EnvironmentFault when it does not exist."""
    lab = lab_of(name)
    for machine in _machines(lab):
        if machine.name == host_name:
            return machine
    raise EnvironmentFault(f"lab {name} has no host {host_name}: it has {', '.join(machine.name for machine in _machines(lab))}")


def power_off(host_name: str, name: str = DEFAULT_LAB) -> None:
    """Simulate a power failure of one host; `up` boots it again with its disk."""
    machine = machine_of(host_name, name)
    with state.locked(machine.lab.folder):
        host.power_off(machine)


def run_in(
    host_name: str, argv: Sequence[str], name: str = DEFAULT_LAB, *, limit: float = 60, feed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `argv` in a host as root without SSH. Background processes must end by themselves or run under systemd-run."""
    return host.run_in(machine_of(host_name, name), argv, limit=limit, feed=feed)


def down(name: str = DEFAULT_LAB, *, report: Report = _silent) -> None:
    """Remove a lab with its processes, cgroups, mounts, links, ranges and folders. Safe when the lab does not exist."""
    _need_root()
    folder = state.lab_folder(name)
    network = lab_network(name, 0)  # for the name of the bridge, which does not depend on the state file
    if folder.exists():
        with state.locked(folder):
            lab = state.load(name) or Lab(name=name, folder=folder, index=0, hosts=0, families=BOTH, management=BOTH)
            names = {path.name for path in (folder / "hosts").glob("*")} | {machine.name for machine in _machines(lab)}
            for host_name in sorted(names):
                host.scrap(Machine(lab, int(host_name.rpartition("-")[2])))
            _remove_remains(name, network.bridge)
            remove_tree(folder)
        report(f"lab {name} is removed")
    else:
        _remove_remains(name, network.bridge)
    state.release_index(name)
    if state.labs_folder().is_dir() and not any(state.labs_folder().iterdir()):
        state.labs_folder().rmdir()


def _remove_remains(name: str, bridge: str) -> None:
    if shutil.which("ip"):
        bridge_down(bridge)
    cgroup.kill(name)
    cgroup.remove(name)


def _need_root() -> None:
    if os.geteuid() != 0:
        raise EnvironmentFault("the lab needs root to boot hosts: run this command with sudo")
