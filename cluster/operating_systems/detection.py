"""The operating systems that hints are for. A new one is a file and a line here."""

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
    """That of a host (None: nothing is known of it): by its own ID, else by the first ID_LIKE that is known (os-release(5): the closest comes first)."""
    by_id = {name: system for system in OPERATING_SYSTEMS for name in system.ids}
    return next((by_id[name] for name in (facts.os_ids if facts is not None else ()) if name in by_id), UNKNOWN)
