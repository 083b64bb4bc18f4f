"""Settings of a network check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cluster.vocabulary.families import Address

NAMESPACE = "sixstack-network-check"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one network check."""

    image: str  # of the probe pods: agnhost, or one with the same programs
    namespace: str = NAMESPACE  # prefix of the namespace, which is created for the check and removed after it
    limit: timedelta = timedelta(minutes=3)
    # False: addresses, ping and HTTP between all, one service with its ClusterIP, NodePort and name, MTU. What it leaves out (policies of
    # families, headless services, session affinity, reverse DNS, source addresses, NetworkPolicy) does not depend on how hosts were joined.
    full: bool = True
    outside: tuple[Address, ...] = ()  # addresses outside the cluster that pods must reach by ping
    tries: int = 3  # of each probe
    seconds: int = 3  # timeout of each connection
