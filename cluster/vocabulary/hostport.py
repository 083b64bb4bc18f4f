"""Encode and decode host:port. An IPv6 address has brackets in host:port, and none elsewhere (RFC 3986, RFC 5952)."""

from __future__ import annotations

from cluster.vocabulary.families import Address
from cluster.vocabulary.spec import parse_address

API_PORT = 6443  # default of kube-apiserver and kubeadm


def join_host_port(host: str | Address, port: int) -> str:
    """`[fd66::11]:6443`, `198.18.0.11:6443` or `api.example.org:6443`."""
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


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
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise ValueError("the port is not a number from 1 to 65535")
    return host, int(port)
