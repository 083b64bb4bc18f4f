"""Identity and resources of the machine: parts identity and resources."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cluster.facts.parsers.sections import number, value, values

# uname -m -> names of the bundle, Go and container images
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity, operating system and kernel of the machine."""

    hostname: str = ""
    machine_id: str = ""
    product_uuid: str | None = None
    os: str = ""
    os_ids: tuple[str, ...] = ()  # ID, then ID_LIKE
    kernel: tuple[int, int, int] = (0, 0, 0)
    architecture: str = ""
    root: bool = False


def identity(text: str) -> Identity:
    """Part identity."""
    hostname, machine, release = value(text, "hostname"), value(text, "machine"), value(text, "kernel")
    if hostname is None or machine is None or release is None:
        raise ValueError("no host name, machine type or kernel release")
    uuid = value(text, "product-uuid")
    return Identity(
        hostname=hostname,
        machine_id=value(text, "machine-id") or "",
        product_uuid=uuid.lower() if uuid else None,
        os=(value(text, "os") or "unknown").strip("\"'"),
        os_ids=tuple(name for key in ("os-id", "os-id-like") for name in (value(text, key) or "").strip().strip("\"'").split()),
        kernel=kernel_version(release),
        architecture=_ARCHITECTURES.get(machine, machine),
        root=value(text, "uid") == "0",
    )


def kernel_version(release: str) -> tuple[int, int, int]:
    """(6, 1, 0) of 6.1.0-18-amd64, 5.15.0 or 6.8; ValueError when `release` does not begin with a version."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    if found is None:
        raise ValueError(f"kernel release {release!r} has no version")
    return int(found[1]), int(found[2]), int(found[3] or 0)


@dataclass(frozen=True, slots=True)
class Resources:
    """CPUs, memory and disk (bytes), active swap, commands that are missing."""

    cpus: int = 0
    memory: int = 0
    disk_free: int = 0
    swap: tuple[str, ...] = ()
    missing_commands: tuple[str, ...] = ()


def resources(text: str) -> Resources:
    """Part resources."""
    return Resources(
        cpus=number(text, "cpus"),
        memory=number(text, "memory-kib") * 1024,
        disk_free=number(text, "disk-free-kib") * 1024,
        swap=values(text, "swap"),
        missing_commands=values(text, "missing"),
    )
