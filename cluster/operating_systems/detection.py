"""The supported operating systems. To add one, add a file and a line here."""

from __future__ import annotations

from cluster.facts.host_facts import HostFacts
from cluster.operating_systems.debian import DEBIAN
from cluster.operating_systems.protocol import OperatingSystem
from cluster.operating_systems.red_hat import RED_HAT
from cluster.operating_systems.ubuntu import UBUNTU
from cluster.operating_systems.unknown import UNKNOWN

OPERATING_SYSTEMS: tuple[OperatingSystem, ...] = (
    DEBIAN,
    UBUNTU,
    RED_HAT,
)


def operating_system(facts: HostFacts | None) -> OperatingSystem:
    """The operating system of a host, by its ID, else by its first known ID_LIKE (os-release(5): the closest comes first). None: no facts."""
    by_id = {name: system for system in OPERATING_SYSTEMS for name in system.ids}
    return next((by_id[name] for name in (facts.os_ids if facts is not None else ()) if name in by_id), UNKNOWN)
