"""Network paths between hosts that the cluster needs (k0sctl#890), and the closed ones."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.vocabulary.families import Address, Family, family_of


@dataclass(frozen=True, slots=True)
class HostPath:
    """Path from one host to a port of another host, over one family."""

    source: str  # names in the cluster file
    target: str
    protocol: str  # tcp or udp
    port: int
    part: str  # component that listens on this port
    source_address: Address
    address: Address  # the target's
    running: bool  # the target is a node already, so the component itself listens

    @property
    def family(self) -> Family:
        """The family of both addresses."""
        return family_of(self.address)


@dataclass(frozen=True, slots=True)
class ClosedPath:
    """A path that drops or rejects packets. `found`: `silent`, or the error message of the kernel."""

    path: HostPath
    found: str


@dataclass(frozen=True, slots=True)
class Connectivity:
    """The result of testing the paths between the hosts."""

    tried: int = 0
    closed: tuple[ClosedPath, ...] = ()
    untried: tuple[tuple[str, str], ...] = ()  # host, and the reason why its paths could not be tested
    seconds: float = 0.0
