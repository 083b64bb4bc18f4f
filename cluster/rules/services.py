"""Name servers, registries and proxies of hosts and pods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from cluster.rules.families import families_meant
from cluster.rules.names import is_address, is_host_name
from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import Address, StackMode, family_names, family_of
from cluster.vocabulary.fixes import Change, pointer, remove
from cluster.vocabulary.hostport import split_host_port
from cluster.vocabulary.partial import join_path, readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, parse_address
from cluster.vocabulary.special_ranges import unusable

_PATH = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*", re.ASCII)
# registries known to have no IPv6 address (2026)
_IPV4_ONLY = ("ghcr.io",)


@spec_rule("unusable-name-server")
def name_servers_are_usable(spec: ClusterSpec) -> Iterator[Violation]:
    """Pods cannot reach an upstream name server: a loopback address is CoreDNS itself, and a link-local IPv6 address has no zone in a pod (kind#3114)."""
    for index, address in readable(spec.network.dns_upstreams):
        kind = unusable(address)
        if kind is not None and not (kind == "link-local" and address.version == 4):
            yield Violation(
                f"network.dns_upstreams[{index}]",
                f"{address} is {kind}, which no pod can reach",
                "use an address that pods can reach",
                remove(f"network.dns_upstreams[{index}]"),
            )


@spec_rule("name-server-family")
def name_servers_are_of_a_family_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """An upstream name server has a family that pods do not have (coredns#2087)."""
    meant = families_meant(spec)
    for index, address in readable(spec.network.dns_upstreams):
        if family_of(address) not in meant:
            message = f"{address} does not have a family in use ({family_names(spec.families)}), so no pod can reach it"
            at = f"network.dns_upstreams[{index}]"
            yield Violation(at, message, "use a name server of a family in use", remove(at))


@spec_rule("malformed-image-repository")
def image_repository_is_a_registry_and_path(spec: ClusterSpec) -> Iterator[Violation]:
    """The image repository does not have the form HOST[:PORT][/PATH]."""
    text = spec.images.repository
    registry, slash, path = text.partition("/")
    if _registry(registry) is None or (slash and not _PATH.fullmatch(path)):
        yield Violation(
            "images.repository",
            f"{quoted(text)} is not a registry and path",
            "write for example registry.k8s.io, without https:// and trailing /",
            remove("images.repository"),
        )


@spec_rule("malformed-mirror")
def mirrors_are_urls(spec: ClusterSpec) -> Iterator[Violation]:
    """A mirror is not an http or https URL, or its key is not a registry."""
    for registry, urls in spec.images.mirrors.items():
        at = join_path("images.mirrors", registry)
        if registry != "_default" and _registry(registry) is None:
            yield Violation(
                at,
                f"{quoted(registry)} is not a registry",
                "write the host of the registry, such as docker.io",
                remove("images.mirrors", registry),
            )
        for index, url in readable(urls):
            if _url(url) is None:
                yield Violation(
                    f"{at}[{index}]",
                    f"{quoted(url)} is not a URL",
                    "write for example https://mirror.example.org",
                    (Change("remove", f"{pointer('images.mirrors', registry)}/{index}"),),
                )


@spec_rule("malformed-proxy")
def proxies_are_urls(spec: ClusterSpec) -> Iterator[Violation]:
    """A proxy is not an http or https URL, or an item of `no_proxy` is not a name, an address or a CIDR."""
    for path, url in _proxies(spec):
        if _url(url) is None:
            yield Violation(path, f"{quoted(url)} is not a URL", "write for example http://proxy.example.org:3128", remove(path))
    if spec.proxy.has("no_proxy"):
        for index, name in readable(spec.proxy.no_proxy):
            if not re.fullmatch(r"[A-Za-z0-9.:*/_\[\]-]+", name):
                yield Violation(
                    f"proxy.no_proxy[{index}]",
                    f"{quoted(name)} is not a name, address or CIDR",
                    "write one name, address or CIDR per list item",
                    remove(f"proxy.no_proxy[{index}]"),
                )


@spec_rule("secret-in-file")
def urls_hold_no_password(spec: ClusterSpec) -> Iterator[Violation]:
    """The cluster file contains a secret. The file becomes flow parameters, which the Prefect UI shows."""
    for path, at, url in _urls(spec):
        if "@" in url.partition("://")[2].partition("/")[0]:
            yield Violation(
                path,
                "the URL contains a user or password",
                "remove it, and let the proxy or mirror authorize the hosts by their addresses",
                (Change("replace", at, re.sub(r"(?<=://)[^/]*@", "", url)),),
            )


@spec_rule("url-family")
def urls_are_of_a_family_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """A proxy or mirror has an address of a family that the hosts do not have. An IPv6-only host cannot reach an IPv4 address, and vice versa."""
    meant = families_meant(spec)
    for path, at, url in _urls(spec):
        address = _literal(url)
        if address is not None and family_of(address) not in meant:
            yield Violation(
                path,
                f"{address} does not have a family in use ({family_names(spec.families)})",
                "use an address of a family in use, or a name",
                (Change("remove", at),),
            )


@spec_rule("registry-without-ipv6", Severity.WARNING)
def registries_answer_over_ipv6(spec: ClusterSpec) -> Iterator[Violation]:
    """IPv6-only hosts would pull from a registry without IPv6. The images of the cluster itself come from the artifact bundle."""
    registry = spec.images.repository.partition("/")[0]
    if spec.stack is StackMode.IPV6 and registry in _IPV4_ONLY and registry not in spec.images.mirrors:
        yield Violation(
            "images.repository",
            f"{registry} has no IPv6 address and no mirror is set",
            f"add a mirror of {registry} to images.mirrors",
            remove("images.repository"),
        )


def _proxies(spec: ClusterSpec) -> Iterator[tuple[str, str]]:
    for name in ("http", "https"):
        if spec.proxy.has(name) and (url := getattr(spec.proxy, name)) is not None:
            yield f"proxy.{name}", url


def _urls(spec: ClusterSpec) -> Iterator[tuple[str, str, str]]:
    """Path, JSON Pointer and text of each URL."""
    if spec.has("proxy"):
        yield from ((path, pointer(path), url) for path, url in _proxies(spec))
    if spec.has("images") and spec.images.has("mirrors"):
        for registry, urls in spec.images.mirrors.items():
            for index, url in readable(urls):
                yield f"{join_path('images.mirrors', registry)}[{index}]", f"{pointer('images.mirrors', registry)}/{index}", url


def _url(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    valid = parts.scheme in ("http", "https") and (is_address(host) or is_host_name(host)) and port != 0 and not re.search(r"\s", text)
    return parts if valid else None


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
