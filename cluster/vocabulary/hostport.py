"""Encode and decode host:port. An IPv6 address has brackets in host:port, and none elsewhere (RFC 3986, RFC 5952)."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from cluster.vocabulary.families import Address
from cluster.vocabulary.spec import ControlPlane, parse_address

API_PORT = 6443  # default of kube-apiserver and kubeadm
# ports below 1000 that people write after an address; every other number below 1000 is read as the end of the address
_LOW_PORTS = (22, 53, 80, 443)


def join_host_port(host: str | Address, port: int) -> str:
    """`[fd66::11]:6443`, `198.18.0.11:6443` or `api.example.org:6443`."""
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def canonical_host(text: str) -> str:
    """One spelling of an IP address or DNS name."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text.lower().removesuffix(".")


def split_host_port(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Host (an IPv6 address without brackets, in canonical form) and port. ValueError describes the fault of `text`."""
    if text.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise ValueError("the bracket is not closed")
        try:
            address = parse_address(inside)
        except ValueError:
            # Python's message has the whole text
            raise ValueError("no IPv6 address is in the brackets") from None
        if address.version != 6:
            raise ValueError("only IPv6 addresses have brackets")
        if rest and not rest.startswith(":"):
            raise ValueError("only a port can follow the closing bracket")
        host, port = str(address), rest[1:] if rest else None
    elif text.count(":") > 1:
        # a bare address has no port
        try:
            host, port = str(parse_address(text)), None
        except ValueError:
            raise ValueError("an IPv6 address with a port needs brackets") from None
    else:
        host, colon, after = text.partition(":")
        port = after if colon else None
    if not host:
        raise ValueError("the host is missing")
    if port is None:
        if default_port is None:
            raise ValueError("the port is missing")
        return host, default_port
    if not is_port(port):
        raise ValueError("the port is not a number from 1 to 65535 without leading zeros")
    return host, int(port)


def is_port(text: str) -> bool:
    """Whether the string is a port from 1 to 65535 without leading zeros."""
    return text.isascii() and text.isdigit() and len(text) <= 5 and text[0] != "0" and int(text) <= 65535


def unbracketed_port(text: str) -> tuple[str, int] | None:
    """Address and port of an IPv6 address that has a port and no brackets; None for anything else.

    `2001:db8:1::11:6443` is also an address. It counts as address and port when its last group is a likely port: 1000 to 9999, or a
    well-known one. An address of eight groups has one meaning, because seven groups are no address.
    """
    address, _, port = text.rpartition(":")
    if not is_port(port) or ":" not in address:
        return None
    try:
        host = parse_address(address)
    except ValueError:
        return None
    if int(port) >= 1000 or int(port) in _LOW_PORTS or not _is_address(text):
        return str(host), int(port)
    return None


def api_bind_port(control_plane: ControlPlane, own: Collection[Address]) -> int:
    """The port that the API server listens on. `own`: the node addresses of the control planes.

    Without `bind_port` this is the port of an endpoint that is an own address, else 6443: another host, or a load balancer, forwards to it.
    """
    if control_plane.bind_port is not None:
        return control_plane.bind_port
    if control_plane.endpoint is None:
        return API_PORT
    host, port = split_host_port(control_plane.endpoint, API_PORT)
    return port if host in {str(address) for address in own} else API_PORT


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True
