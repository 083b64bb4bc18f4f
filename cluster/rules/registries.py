"""Registries: the image repository, mirrors and certificate authorities."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cluster.rules.names import is_address, is_host_name
from cluster.rules.registry import spec_rule
from cluster.rules.urls import mirror_urls, parse_url, wrong_url
from cluster.vocabulary.families import StackMode
from cluster.vocabulary.fixes import Change, pointer, remove, rename
from cluster.vocabulary.hostport import join_host_port, split_host_port, unbracketed_port
from cluster.vocabulary.partial import join_path, readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.registries import ANY_REGISTRY, Authorities
from cluster.vocabulary.spec import ClusterSpec

# path-component of an image reference (https://pkg.go.dev/github.com/distribution/reference)
_PATH = re.compile(r"[a-z0-9]+((\.|_|__|-+|/)[a-z0-9]+)*", re.ASCII)
# registries known to have no IPv6 address (2026)
_IPV4_ONLY = ("ghcr.io",)
# longer URLs and paths do not appear in hints
_LONGEST = 200


@spec_rule("malformed-image-repository")
def image_repository_is_a_registry_and_path(spec: ClusterSpec) -> Iterator[Violation]:
    """The image repository does not have the form HOST[:PORT][/PATH], with brackets around an IPv6 address."""
    text = spec.images.repository
    registry, slash, path = text.partition("/")
    if not _is_registry(registry) or (slash and not _PATH.fullmatch(path)):
        hint = _registry_hint(registry, slash + path) or "write for example registry.k8s.io, without https:// and trailing /"
        yield Violation("images.repository", f"{quoted(text)} is not a registry and path", hint, remove("images.repository"))


@spec_rule("malformed-mirror")
def mirrors_are_urls(spec: ClusterSpec) -> Iterator[Violation]:
    """A mirror is not an http or https URL, or its key is not a registry, as HOST[:PORT] or `_default`. The path of a URL must name the root of
    the registry API, with its `v2`: containerd would append `/v2`, but some registries have a path behind it."""
    for registry in spec.images.mirrors:
        if registry != ANY_REGISTRY and not _is_registry(registry):
            hint = _registry_hint(registry, "") or "write the host of the registry, such as docker.io"
            at = join_path("images.mirrors", registry)
            yield Violation(at, f"{quoted(registry)} is not a registry", hint, remove("images.mirrors", registry))
        elif registry == "index.docker.io":
            at = join_path("images.mirrors", registry)
            unused = remove("images.mirrors", registry)
            fix = unused if "docker.io" in spec.images.mirrors else rename("docker.io", "images.mirrors", registry)
            yield Violation(at, "no image is pulled from index.docker.io, because containerd calls it docker.io", "write docker.io", fix)
    for url in mirror_urls(spec):
        parts = parse_url(url.text)
        if parts is None:
            yield Violation(url.at, f"{quoted(url.text)} is not a URL", *wrong_url(url, "https://mirror.example.org"))
        elif parts.path.strip("/") and "v2" not in parts.path.split("/"):
            root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
            if len(url.text) > _LONGEST:
                root, path = "https://mirror.example.org", "/path"
            message = f"the path of {quoted(url.text)} has no v2, so it does not name the root of the registry API"
            yield Violation(url.at, message, f"write {root}{path}/v2, or {root}/v2{path} for a proxy project of Harbor")


@spec_rule("duplicate-mirror")
def no_mirror_twice(spec: ClusterSpec) -> Iterator[Violation]:
    """A registry has the same mirror twice. containerd then ignores all mirrors of this registry."""
    for registry, urls in spec.images.mirrors.items():
        seen: set[str] = set()
        for index, url in readable(urls):
            if url in seen:
                fix = (Change("remove", pointer("images.mirrors", registry, str(index))),)
                at = f"{join_path('images.mirrors', registry)}[{index}]"
                yield Violation(at, f"{quoted(url)} appears twice", "keep one of the two", fix)
            seen.add(url)


@spec_rule("malformed-ca")
def authorities_are_certificates(spec: ClusterSpec) -> Iterator[Violation]:
    """The certificate authority of a registry or mirror is not a list of PEM certificates, or its key is not HOST[:PORT]."""
    for host, pem in spec.images.ca.items():
        at = join_path("images.ca", host)
        if not _is_registry(host):
            hint = _registry_hint(host, "") or "write the host of the mirror or registry, such as mirror.example.org:5000"
            yield Violation(at, f"{quoted(host)} is not a host", hint)
        if (fault := _certificate_fault(pem)) is not None:
            yield Violation(at, fault, "write the certificates of the authority as PEM: `ca: |` and an indented block")


@spec_rule("ca-unused")
def authorities_are_of_https_mirrors(spec: ClusterSpec) -> Iterator[Violation]:
    """A host with a certificate authority is a mirror with http, which has no certificate."""
    authorities = Authorities(spec.images)
    for url in mirror_urls(spec):
        # rule malformed-mirror reports what is not a URL
        if not url.text.startswith("http://") or parse_url(url.text) is None:
            continue
        if (host := authorities.key(url.text)) is not None:
            message = f"{quoted(url.text)} has no certificate, but images.ca has an authority of {host}"
            yield Violation(url.at, message, f"write https, or remove {host} from images.ca")


@spec_rule("registry-without-ipv6", Severity.WARNING)
def registries_answer_over_ipv6(spec: ClusterSpec) -> Iterator[Violation]:
    """IPv6-only hosts would pull from a registry without IPv6. The images of the cluster itself come from the artifact bundle."""
    registry = spec.images.repository.partition("/")[0]
    mirrored = registry in spec.images.mirrors or ANY_REGISTRY in spec.images.mirrors
    if spec.stack is StackMode.IPV6 and registry in _IPV4_ONLY and not mirrored:
        yield Violation(
            "images.repository",
            f"{registry} has no IPv6 address and no mirror is set",
            f"add a mirror of {registry} to images.mirrors",
            remove("images.repository"),
        )


def _is_registry(text: str) -> bool:
    """Whether the string is HOST[:PORT] as in an image reference: an IPv6 address has brackets, also without a port."""
    try:
        host, _ = split_host_port(text, 443)
    except ValueError:
        return False
    if ":" in host:
        # image references know no IPv6 address with an IPv4 address inside
        return text.startswith("[") and "." not in text
    return is_address(host) or is_host_name(host)


def _registry_hint(registry: str, path: str) -> str | None:
    """The spellings with brackets of a registry that is an IPv6 address without them."""
    spellings = [join_host_port(*parts)] if (parts := unbracketed_port(registry)) is not None else []
    spellings += [f"[{registry}]"] if is_address(registry) and ":" in registry else []
    return "write " + " or ".join(f"{spelling}{path}" for spelling in spellings) if spellings and len(path) < _LONGEST else None


def _certificate_fault(pem: str) -> str | None:
    """The fault of a list of PEM certificates, or None. containerd does not start a pull with a list that it cannot read."""
    if "PRIVATE KEY" in pem:
        return "this is a private key"
    # imported here to keep `sixstack check` fast: few files have a certificate
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(pem.encode())
    except Exception:  # the exceptions of cryptography for certificates that are wrong have no common base
        return "this is not a list of PEM certificates"
    return None
