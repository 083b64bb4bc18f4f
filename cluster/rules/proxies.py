"""The HTTP proxy of the hosts, and the names and addresses that bypass it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_interface

from cluster.rules.names import is_address
from cluster.rules.registry import spec_rule
from cluster.rules.urls import parse_url, proxy_urls, wrong_url
from cluster.vocabulary.fixes import Fix, remove, replace_by
from cluster.vocabulary.hostport import is_port, join_host_port, unbracketed_port
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, parse_address

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)
# 10.1.* or 10.1.*.*, as other programs write a range
_WILDCARD = re.compile(r"((?:[0-9]{1,3}\.){1,3})(?:\*(?:\.\*)*)?", re.ASCII)


@spec_rule("malformed-proxy")
def proxies_are_urls(spec: ClusterSpec) -> Iterator[Violation]:
    """A proxy is not an http or https URL, or an item of `no_proxy` matches nothing: it is not a name, an address, a CIDR, or `*`.

    containerd reads `no_proxy` with golang.org/x/net/http/httpproxy, which ignores an item that it does not understand.
    """
    for url in proxy_urls(spec):
        if parse_url(url.text) is None:
            yield Violation(url.at, f"{quoted(url.text)} is not a URL", *wrong_url(url, "http://proxy.example.org:3128"))
    if spec.proxy.has("no_proxy"):
        for index, item in readable(spec.proxy.no_proxy):
            at = f"proxy.no_proxy[{index}]"
            if (wrong := _wrong_item(item, at)) is not None:
                yield Violation(at, f"{quoted(item)} matches no host", *wrong)


def _wrong_item(item: str, at: str) -> tuple[str, Fix] | None:  # noqa: PLR0911 one per form
    """Hint and fix of an item that Go's httpproxy ignores or that matches no host; None for a valid item."""
    if item == "*":
        return None
    if "/" in item:
        return _wrong_range(item, at)
    host, port = item, None
    if item.startswith("["):
        host, bracket, after = item[1:].partition("]")
        if not after and is_address(host):
            return f"write {host}, without brackets", replace_by(host, at)
        port = after[1:] if bracket and after.startswith(":") and ":" in host else ""
    elif item.count(":") == 1:
        host, _, port = item.partition(":")
    elif (parts := unbracketed_port(item)) is not None:
        if is_address(item):
            return f"write {join_host_port(*parts)}, or {parse_address(item).exploded} if all of it is the address", ()
        return f"write {join_host_port(*parts)}", replace_by(join_host_port(*parts), at)
    if port is not None and not is_port(port):
        return "write NAME:PORT, ADDRESS:PORT or [IPV6]:PORT, with a port from 1 to 65535", remove(at)
    if is_address(host) or _is_domain(host):
        return None
    if (network := _network_of(host)) is not None:
        return f"write the CIDR {network}", replace_by(network, at)
    return "write one name such as .example.org, one address, or one CIDR per list item", remove(at)


def _is_domain(text: str) -> bool:
    """`example.org`, `.example.org` or `*.example.org`. A name that ends with a number is a part of an address."""
    name = text.lower().removeprefix("*").removeprefix(".") if text.startswith(("*.", ".")) else text.lower()
    return _NAME.fullmatch(name) is not None and not name.rpartition(".")[2].isdigit()


def _wrong_range(item: str, at: str) -> tuple[str, Fix] | None:
    """As net.ParseCIDR of Go, which accepts host bits. A dotted netmask is not a prefix length there."""
    text, _, length = item.partition("/")
    try:
        address = parse_address(text)
    except ValueError:
        return "write the name or address alone, or a CIDR such as 10.0.0.0/8", remove(at)
    if length in map(str, range(address.max_prefixlen + 1)):
        return None
    try:
        network = str(ip_interface(item).network)
    except ValueError:
        return f"use a prefix length of 0 to {address.max_prefixlen}", remove(at)
    return f"write {network}", replace_by(network, at)


def _network_of(text: str) -> str | None:
    """The CIDR of a wildcard."""
    match = _WILDCARD.fullmatch(text)
    numbers = match[1].rstrip(".").split(".") if match is not None else []
    if not numbers or not all(int(number) <= 255 for number in numbers):
        return None
    network = ".".join([*(str(int(number)) for number in numbers), *["0"] * (4 - len(numbers))])
    return f"{network}/{8 * len(numbers)}"
