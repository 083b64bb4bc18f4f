"""Read addresses and networks, with hints for invalid values."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_interface

from cluster.vocabulary.families import Address, Network
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import parse_address, parse_network


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of a value: code, message and hint, and the value that was meant if it is clear."""

    code: str
    message: str
    hint: str
    intended: str | None = None


def read_address(value: object) -> tuple[Address | None, Fault | None]:
    """The address, or the fault."""
    try:
        return parse_address(value), None
    except ValueError:
        return None, Fault("not-an-address", f"{quoted(value)} is not an IP address", _address_hint(value), _intended_address(value))


def read_network(value: object) -> tuple[Network | None, Fault | None]:
    """The network, or the fault. A network with host bits returns both, so that rules can also check its size and position."""
    try:
        return parse_network(value), None
    except ValueError:
        intended = _intended_network(value)
    if intended is None:
        return None, Fault("not-a-network", f"{quoted(value)} is not a network", _network_hint(value))
    prefix = value.partition("/")[2] if isinstance(value, str) else ""
    message, hint = f"{quoted(value)} has a netmask instead of a prefix length", f"use {intended}"
    if prefix.isdigit() and prefix != str(intended.prefixlen):
        message = f"{quoted(value)} has a prefix length with leading zeros"
    elif prefix.isdigit():
        return intended, Fault("host-bits-set", f"{quoted(value)} has host bits set", hint, str(intended))
    return None, Fault("not-a-network", message, hint, str(intended))


def colon_trap(value: object) -> str | None:
    """A hint when YAML has read `fd00::` as the key `fd00:` without a value."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        if isinstance(key, str) and inner is None and ":" in key and len(key) < 64:
            return f'put the value in quotes, because YAML reads a trailing colon as the end of a field name: "{key}:"'
    return None


def _intended_network(value: object) -> Network | None:
    """The network of a string with host bits or a dotted netmask."""
    if not isinstance(value, str) or value.count("/") != 1:
        return None
    try:
        return parse_network(str(ip_interface(value).network))
    except ValueError:
        return None


def _intended_address(value: object) -> str | None:
    """The address of a string with brackets or a prefix length."""
    if not isinstance(value, str):
        return None
    bare = value.removeprefix("[").removesuffix("]").partition("/")[0]
    try:
        return str(parse_address(bare))
    except ValueError:
        return None


def _address_hint(value: object) -> str:
    if not isinstance(value, str):
        return colon_trap(value) or "write an address such as 198.18.0.11 or fd66::11, in quotes"
    if value.startswith("["):
        return "write the IPv6 address without brackets"
    if "%" in value:
        return "remove the zone (from %) and use an address that is not link-local"
    if "/" in value:
        return "write the address without its prefix length"
    return "write an address such as 198.18.0.11 or fd66::11"


def _network_hint(value: object) -> str:
    try:
        address = parse_address(value)
    except ValueError:
        return colon_trap(value) or "write a network such as 10.244.0.0/16 or fd44::/56"
    return f"add the prefix length, for example {address}/{16 if address.version == 4 else 112}"
