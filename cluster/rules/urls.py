"""URLs of a cluster file: their syntax, no passwords, and families that the hosts have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from cluster.rules.families import families_meant
from cluster.rules.names import is_address, is_host_name
from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import Address, family_names, family_of
from cluster.vocabulary.fixes import Change, Fix, pointer
from cluster.vocabulary.hostport import join_host_port, unbracketed_port
from cluster.vocabulary.partial import join_path, readable
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import ClusterSpec, parse_address
from cluster.vocabulary.special_ranges import unusable

# longer URLs do not appear in hints
_LONGEST = 200


class WrittenUrl(NamedTuple):
    """A URL of the cluster file, with its path and JSON Pointer."""

    at: str
    pointer: str
    text: str

    @property
    def removed(self) -> Fix:
        """The fix that removes it."""
        return (Change("remove", self.pointer),)


@spec_rule("secret-in-file")
def urls_hold_no_password(spec: ClusterSpec) -> Iterator[Violation]:
    """The cluster file contains a secret. The file becomes flow parameters, which the Prefect UI shows."""
    for url in _urls(spec):
        scheme, separator, rest = url.text.partition("://")
        netloc, slash, path = rest.partition("/")
        if "@" in netloc:
            yield Violation(
                url.at,
                "the URL contains a user or password",
                "remove it, and let the proxy or mirror authorize the hosts by their addresses",
                (Change("replace", url.pointer, f"{scheme}{separator}{netloc.rpartition('@')[2]}{slash}{path}"),),
            )


@spec_rule("url-family")
def urls_are_of_a_family_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """A proxy or mirror has an address of a family that the hosts do not have. An IPv6-only host cannot reach an IPv4 address, and vice versa."""
    meant = families_meant(spec)
    for url in _urls(spec):
        address = _literal(url.text)
        # programs in Go convert an IPv4-mapped address to IPv4
        plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
        if plain is not None and _unusable(address) is None and family_of(plain) not in meant:
            yield Violation(
                url.at,
                f"{address} does not have a family in use ({family_names(spec.families)})",
                "use an address of a family in use, or a name",
                url.removed,
            )


@spec_rule("unusable-url-address")
def urls_are_of_addresses_that_servers_have(spec: ClusterSpec) -> Iterator[Violation]:
    """A proxy or mirror has an address that no server can have: unspecified, multicast, broadcast, or IPv6 link-local without a zone. Loopback is the
    host itself, which may have a proxy or mirror of its own."""
    for url in _urls(spec):
        address = _literal(url.text)
        if (kind := _unusable(address)) is not None:
            message = f"{address} is {kind}, which no server can have"
            yield Violation(url.at, message, "use an address that the hosts can reach, or a name", url.removed)


def proxy_urls(spec: ClusterSpec) -> Iterator[WrittenUrl]:
    """The proxies."""
    for name in ("http", "https"):
        if spec.proxy.has(name) and (url := getattr(spec.proxy, name)) is not None:
            yield WrittenUrl(f"proxy.{name}", pointer("proxy", name), url)


def mirror_urls(spec: ClusterSpec) -> Iterator[WrittenUrl]:
    """The mirrors."""
    for registry, urls in spec.images.mirrors.items():
        for index, url in readable(urls):
            at = f"{join_path('images.mirrors', registry)}[{index}]"
            yield WrittenUrl(at, pointer("images.mirrors", registry, str(index)), url)


def parse_url(text: str) -> SplitResult | None:
    """The parts of an http or https URL; None for anything else, including an IPv6 address without brackets, a query and a fragment."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    valid = (
        # containerd reads HTTPS:// as a host
        text.startswith(("http://", "https://"))
        and re.fullmatch("[!-~]+", text)
        and (is_address(host) or is_host_name(host))
        and not parts.query
        and not parts.fragment
        and port != 0
        # neither an empty port nor one with leading zeros
        and not parts.netloc.endswith(":")
        and (port is None or parts.netloc.endswith(f":{port}"))
    )
    return parts if valid else None


def wrong_url(url: WrittenUrl, example: str) -> tuple[str, Fix]:
    """Hint and fix of a string that is not a URL."""
    text = url.text
    match = re.fullmatch(r"(https?://)([0-9A-Fa-f:.]+)((?:/.*)?)", text) if len(text) < _LONGEST else None
    if match is not None:
        scheme, netloc, path = match.groups()
        spellings = [f"{scheme}{join_host_port(*parts)}{path}"] if (parts := unbracketed_port(netloc)) is not None else []
        spellings += [f"{scheme}[{netloc}]{path}"] if is_address(netloc) else []
        if spellings:
            fix = (Change("replace", url.pointer, spellings[0]),) if len(spellings) == 1 else ()
            return f"write {' or '.join(spellings)}: an IPv6 address has brackets in a URL", fix
    return f"write for example {example}", url.removed


def _urls(spec: ClusterSpec) -> Iterator[WrittenUrl]:
    if spec.has("proxy"):
        yield from proxy_urls(spec)
    if spec.has("images") and spec.images.has("mirrors"):
        yield from mirror_urls(spec)


def _unusable(address: Address | None) -> str | None:
    """Why no server can have the address; None when one can."""
    kind = unusable(address) if address is not None else None
    usable = kind in ("loopback", "IPv4-mapped") or (kind == "link-local" and address is not None and address.version == 4)
    return None if usable else kind


def _literal(url: str) -> Address | None:
    parts = parse_url(url)
    try:
        return parse_address(parts.hostname) if parts is not None else None
    except ValueError:
        return None
