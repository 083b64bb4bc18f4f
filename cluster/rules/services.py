"""What hosts and pods ask for names and images: name servers, registries, proxies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from cluster.rules.families import in_words
from cluster.rules.names import is_address, is_host_name
from cluster.rules.rule import Finding, rule
from cluster.vocabulary.families import Address, StackMode, family_of
from cluster.vocabulary.hostport import split_host_port
from cluster.vocabulary.partial import join_path, readable
from cluster.vocabulary.problems import Severity
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, parse_address
from cluster.vocabulary.special_ranges import unusable

_PATH = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*", re.ASCII)
# registries known to have no IPv6 address (2026)
_IPV4_ONLY = ("ghcr.io",)


@rule("unusable-name-server")
def name_servers_are_usable(spec: ClusterSpec) -> Iterator[Finding]:
    """CoreDNS runs in a pod: a loopback upstream is CoreDNS itself, a link-local IPv6 one has no zone there (kind#3114)."""
    for index, address in readable(spec.network.dns_upstreams):
        word = unusable(address)
        if word is not None and not (word == "link-local" and address.version == 4):
            yield Finding(f"network.dns_upstreams[{index}]", f"{address} is {word}: no pod reaches it", "use an address that pods reach")


@rule("name-server-family")
def name_servers_are_of_a_family_in_use(spec: ClusterSpec) -> Iterator[Finding]:
    """An upstream name server is of a family that pods have (coredns#2087)."""
    for index, address in readable(spec.network.dns_upstreams):
        if family_of(address) not in spec.families:
            says = f"{address} is not of a family in use ({in_words(spec.families)}): no pod reaches it"
            yield Finding(f"network.dns_upstreams[{index}]", says, "use a name server of a family in use")


@rule("malformed-image-repository")
def image_repository_is_a_registry_and_path(spec: ClusterSpec) -> Iterator[Finding]:
    """The image repository is HOST[:PORT][/PATH], without scheme."""
    text = spec.images.repository
    registry, slash, path = text.partition("/")
    if _registry(registry) is None or (slash and not _PATH.fullmatch(path)):
        yield Finding(
            "images.repository", f"{quoted(text)} is not a registry and path", "write such as registry.k8s.io, without https:// and /"
        )


@rule("malformed-mirror")
def mirrors_are_urls(spec: ClusterSpec) -> Iterator[Finding]:
    """Mirrors are http or https URLs, by the registry they stand for."""
    for registry, urls in spec.images.mirrors.items():
        at = join_path("images.mirrors", registry)
        if registry != "_default" and _registry(registry) is None:
            yield Finding(at, f"{quoted(registry)} is not a registry", "write its host, such as docker.io")
        for index, url in readable(urls):
            if _url(url) is None:
                yield Finding(f"{at}[{index}]", f"{quoted(url)} is not a URL", "write such as https://mirror.example.org")


@rule("malformed-proxy")
def proxies_are_urls(spec: ClusterSpec) -> Iterator[Finding]:
    """Proxies are http or https URLs; exceptions are names, addresses and CIDRs without blanks and commas."""
    for path, url in _proxies(spec):
        if _url(url) is None:
            yield Finding(path, f"{quoted(url)} is not a URL", "write such as http://proxy.example.org:3128")
    if spec.proxy.has("no_proxy"):
        for index, name in readable(spec.proxy.no_proxy):
            if not re.fullmatch(r"[A-Za-z0-9.:*/_\[\]-]+", name):
                yield Finding(
                    f"proxy.no_proxy[{index}]", f"{quoted(name)} is not a name, address or CIDR", "write one for each item of the list"
                )


@rule("secret-in-file")
def urls_hold_no_password(spec: ClusterSpec) -> Iterator[Finding]:
    """A cluster file holds no secrets: it becomes flow parameters, which are shown in the UI."""
    for path, url in _urls(spec):
        if "@" in url.partition("://")[2].partition("/")[0]:
            yield Finding(path, "the URL holds a user or password", "let the proxy or mirror admit the hosts by their addresses")


@rule("url-family")
def urls_are_of_a_family_in_use(spec: ClusterSpec) -> Iterator[Finding]:
    """A proxy or mirror that is an address is of a family that the hosts have: an IPv6-only host reaches no IPv4 address, and inversely."""
    for path, url in _urls(spec):
        address = _literal(url)
        if address is not None and family_of(address) not in spec.families:
            yield Finding(
                path, f"{address} is not of a family in use ({in_words(spec.families)})", "use an address of a family in use, or a name"
            )


@rule("registry-without-ipv6", Severity.WARNING)
def registries_answer_over_ipv6(spec: ClusterSpec) -> Iterator[Finding]:
    """Hosts with IPv6 alone pull from registries that answer over IPv6; the artifact bundle holds the cluster's own images."""
    registry = spec.images.repository.partition("/")[0]
    if spec.stack is StackMode.IPV6 and registry in _IPV4_ONLY and registry not in spec.images.mirrors:
        yield Finding(
            "images.repository", f"{registry} has no IPv6 address and no mirror is set", f"add a mirror of {registry} to images.mirrors"
        )


def _proxies(spec: ClusterSpec) -> Iterator[tuple[str, str]]:
    for name in ("http", "https"):
        if spec.proxy.has(name) and (url := getattr(spec.proxy, name)) is not None:
            yield f"proxy.{name}", url


def _urls(spec: ClusterSpec) -> Iterator[tuple[str, str]]:
    if spec.has("proxy"):
        yield from _proxies(spec)
    if spec.has("images") and spec.images.has("mirrors"):
        for registry, urls in spec.images.mirrors.items():
            for index, url in readable(urls):
                yield f"{join_path('images.mirrors', registry)}[{index}]", url


def _url(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    good = parts.scheme in ("http", "https") and (is_address(host) or is_host_name(host)) and port != 0 and not re.search(r"\s", text)
    return parts if good else None


def _literal(url: str) -> Address | None:
    parts = _url(url)
    try:
        return parse_address(parts.hostname) if parts is not None else None
    except ValueError:
        return None


def _registry(text: str) -> str | None:
    """The host of HOST[:PORT]; None when it is not one."""
    try:
        host, _ = split_host_port(text, 443)
    except ValueError:
        return None
    return host if is_address(host) or is_host_name(host) else None
