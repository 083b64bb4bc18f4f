"""Settings of a network check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cluster.vocabulary.families import Address

NAMESPACE = "sixstack-network-check"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one network check."""

    image: str  # image of the probe pods: agnhost, or an image with the same programs
    namespace: str = NAMESPACE  # prefix of the namespace, which exists only during the check
    limit: timedelta = timedelta(minutes=3)
    # False: only addresses, ping and HTTP between all pods, one service with its ClusterIP, NodePort and name, and the MTU. The other checks
    # (family policies, headless services, session affinity, reverse DNS, source addresses, NetworkPolicy) do not depend on how hosts joined.
    full: bool = True
    outside: tuple[Address, ...] = ()  # addresses outside of the cluster that pods must reach with ping
    tries: int = 3  # tries of each probe
    seconds: int = 3  # timeout of each connection
