"""Conflicting programs and files that sixstack did not install: parts packages, units, programs and leftovers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cluster.facts.host_facts import Conflict
from cluster.facts.parsers.sections import pairs

# package -> its program, so that one conflict is reported once
_PROGRAM = {
    "containerd.io": "containerd",
    "docker.io": "dockerd",
    "docker-ce": "dockerd",
    "docker-engine": "dockerd",
    "moby-engine": "dockerd",
    "docker": "dockerd",
    "cri-o": "crio",
    "rke2-server": "rke2",
    "rke2-agent": "rke2",
}


def packages(text: str) -> tuple[Conflict, ...]:
    """Part packages. sixstack itself installs no packages."""
    return tuple(Conflict("package", rest.split()[0], f"{kind} {rest}") for kind, rest in pairs(text) if rest)


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd unit that has a file."""

    name: str
    path: str
    active: bool
    enabled: bool | None = None  # None: unknown


# the units of a cluster
CLUSTER_UNITS = ("containerd.service", "kubelet.service")
# units that part units also shows, and that are no runtime
LINK_MANAGERS = NETWORK_MANAGER, NETWORKD = "NetworkManager.service", "systemd-networkd.service"


def units(text: str) -> tuple[Unit, ...]:
    """Part units: blocks of `systemctl show`. Units without a file and masked units are ignored."""
    found = []
    for block in text.split("\n\n"):
        properties = dict(line.partition("=")[::2] for line in block.splitlines())
        if properties.get("Id") and properties.get("LoadState") not in (None, "not-found", "masked"):
            found.append(
                Unit(
                    properties["Id"],
                    properties.get("FragmentPath", ""),
                    properties.get("ActiveState") in ("active", "activating", "reloading"),
                    properties["UnitFileState"] == "enabled" if properties.get("UnitFileState") else None,
                )
            )
    return tuple(found)


def programs(text: str) -> tuple[Conflict, ...]:
    """Part programs: every container runtime and kubelet on the host, including those of sixstack. `detail` is the path of the executable."""
    found = []
    for kind, rest in pairs(text):
        if kind not in ("binary", "process"):
            raise ValueError(f"expected binary or process, got {kind!r}")
        name, _, path = rest.partition(" ")
        found.append(Conflict(kind, name, path.removesuffix(" (deleted)")))
    return tuple(dict.fromkeys(found))


def leftovers(text: str) -> tuple[Conflict, ...]:
    """Part leftovers: files of any installer, including sixstack."""
    return tuple(Conflict("file", line.strip()) for line in text.splitlines() if line.strip())


# Folders of bundle files. On a host of a sixstack cluster a file can lack its marker after a power failure.
_OUR_FOLDERS = ("/usr/local/bin/", "/etc/systemd/system/")


def foreign_conflicts(
    *,
    owned: bool,
    installed: frozenset[str],
    from_packages: tuple[Conflict, ...],
    from_units: tuple[Unit, ...],
    from_programs: tuple[Conflict, ...],
    from_leftovers: tuple[Conflict, ...],
) -> tuple[Conflict, ...]:
    """All conflicts except the files that sixstack installed (`installed`: target paths of markers), each reported once.

    `owned`: the host belongs to a sixstack cluster, so files of a cluster are no conflict.
    """

    def is_ours(path: str) -> bool:
        return path in installed or (owned and path.startswith(_OUR_FOLDERS))

    packaged = {_PROGRAM.get(package.name, package.name) for package in from_packages}

    def conflicts() -> Iterator[Conflict]:
        yield from from_packages
        for unit in from_units:
            if unit.name not in LINK_MANAGERS and not is_ours(unit.path) and not (unit.path and _program_of(unit.name) in packaged):
                yield Conflict("unit", unit.name, unit.path)
        binaries = {program.detail for program in from_programs if program.kind == "binary"}
        for program in from_programs:
            named = program.name in packaged or (program.kind == "process" and program.detail in binaries)
            if not is_ours(program.detail) and not named:
                yield program
        if not owned:
            yield from from_leftovers

    return tuple(conflicts())


def _program_of(unit: str) -> str:
    name = unit.rpartition(".")[0]
    return "dockerd" if name == "docker" else name
