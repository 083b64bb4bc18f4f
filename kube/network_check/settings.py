"""How a network check is made: what whoever starts it can choose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cluster.vocabulary.families import Address

NAMESPACE = "sixstack-network-check"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one network check."""

    image: str  # of the probe pods: agnhost, or one with the same programs
    namespace: str = NAMESPACE  # what the namespace's name begins with; it is made for the check and removed after it
    limit: timedelta = timedelta(minutes=3)
    # False: addresses, ping and HTTP between all, one service with its ClusterIP, NodePort and name, MTU. What it leaves out (policies of
    # families, headless services, session affinity, reverse DNS, source addresses, NetworkPolicy) does not depend on how hosts were joined.
    full: bool = True
    outside: tuple[Address, ...] = ()  # addresses beyond the cluster that pods must reach by ping
    tries: int = 3  # of each probe
    seconds: int = 3  # patience with each connection
