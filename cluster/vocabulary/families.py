"""Address families, stack modes, and the `ipaddress` types for addresses and networks."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Family(StrEnum):
    """One IP address family."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @property
    def bits(self) -> int:
        """Length of an address in bits."""
        return 32 if self is Family.IPV4 else 128


class StackMode(StrEnum):
    """Families of the nodes, pods and services of a cluster."""

    IPV4 = "ipv4"
    DUAL_STACK = "dual-stack"
    IPV6 = "ipv6"


def family_name(family: Family) -> str:
    """Display name of a family."""
    return "IPv4" if family is Family.IPV4 else "IPv6"


def family_names(families: Iterable[Family]) -> str:
    """Display names of several families: `IPv4`, or `IPv6 and IPv4`."""
    return " and ".join(family_name(family) for family in families)


def family_of(value: Address | Network) -> Family:
    """The family of an address or network."""
    return Family.IPV4 if value.version == 4 else Family.IPV6


def families_of(stack: StackMode, primary: Family) -> tuple[Family, ...]:
    """The families in use, primary first. A single-stack cluster ignores `primary`."""
    if stack is StackMode.IPV4:
        return (Family.IPV4,)
    if stack is StackMode.IPV6:
        return (Family.IPV6,)
    return (primary, Family.IPV6 if primary is Family.IPV4 else Family.IPV4)


def stack_name(stack: StackMode, primary: Family) -> str:
    """Display name of a stack mode: `ipv4`, `ipv6`, or `dual-stack, IPv6 first`."""
    return f"{stack}, {family_name(primary)} first" if stack is StackMode.DUAL_STACK else str(stack)
