"""Ways that packets must take from one host to another before a cluster of them can work (k0sctl#890), and those that do not."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.vocabulary.families import Address, Family, family_of


@dataclass(frozen=True, slots=True)
class HostPath:
    """From one host to a port of another, over one family."""

    source: str  # names in the cluster file
    target: str
    protocol: str  # tcp or udp
    port: int
    part: str  # what listens there in the cluster
    source_address: Address
    address: Address  # the target's
    running: bool  # the target is part of the cluster already: whatever is to listen there does so itself

    @property
    def family(self) -> Family:
        """The family of both addresses."""
        return family_of(self.address)


@dataclass(frozen=True, slots=True)
class ClosedPath:
    """A path that packets do not get through, and how that was seen: `silent`, or the kernel's own words."""

    path: HostPath
    found: str


@dataclass(frozen=True, slots=True)
class Connectivity:
    """What came of trying every path between the hosts."""

    tried: int = 0
    closed: tuple[ClosedPath, ...] = ()
    untried: tuple[tuple[str, str], ...] = ()  # host and why no path from or to it could be tried
    seconds: float = 0.0
