"""Listening sockets: part sockets, from `ss`, or from the tables of the kernel on hosts without ss."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from cluster.facts.host_facts import Socket
from cluster.facts.parsers.sections import whole_number
from cluster.vocabulary.families import Address, Family, family_of

_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp; an unconnected UDP socket is in state 07
_UNCONNECTED = "07"


def sockets(text: str) -> tuple[Socket, ...]:
    """Part sockets."""
    return tuple(found for line in text.splitlines() if line.strip() and (found := _socket(line)) is not None)


def _socket(line: str) -> Socket | None:
    words = line.split(maxsplit=6)
    if words[0].startswith("proc-"):
        return _from_proc(words[0].removeprefix("proc-"), words[1], words[2])
    if words[0] not in ("tcp", "udp"):
        return None
    address, _, port = words[4].rpartition(":")
    process = re.search(r'\(\("([^"]*)"', words[6]) if len(words) > 6 else None
    return Socket(words[0], *_listening_on(address), whole_number(port), process[1] if process else "")


def _listening_on(text: str) -> tuple[Address | None, Family | None]:
    """Address (None: all of a family) and family (None: both) from the notation of ss: *, 0.0.0.0, [::], [fe80::1]%eth0, 127.0.0.53%lo."""
    bare = text.partition("%")[0].strip("[]")
    if bare == "*":
        return None, None
    address = _plain(ip_address(bare))
    return (None if address.is_unspecified else address), family_of(address)


def _from_proc(table: str, place: str, state: str) -> Socket | None:
    protocol = table.removesuffix("6")
    if state != (_LISTEN if protocol == "tcp" else _UNCONNECTED):
        return None
    digits, port = place.split(":")
    # each 32-bit word has the byte order of the machine
    raw = b"".join(int(digits[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(digits), 8))
    if not table.endswith("6"):
        address: Address = IPv4Address(raw)
    else:
        address = _plain(IPv6Address(raw))
        if address.is_unspecified:  # the table does not show whether the socket also accepts IPv4; most do
            return Socket(protocol, None, None, whole_number(port, 16), "")
    return Socket(protocol, None if address.is_unspecified else address, family_of(address), whole_number(port, 16), "")


def _plain(address: Address) -> Address:
    """Convert an IPv4-mapped address to IPv4."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
