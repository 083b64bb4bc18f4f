"""Certificates of the host: part certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from cluster.facts.certificates import Certificate, CertificateFile
from cluster.facts.parsers.sections import values, whole_number
from cluster.vocabulary.control_characters import printable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as X509

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
NO_CERTIFICATE = "the file has no complete certificate"
_MOST_NAMES = 1000  # of one certificate
_LONGEST_TEXT = 500  # of a subject

# the kernel keeps 15 characters of a process's name
_COMPONENTS = {
    "etcd": "etcd",
    "kube-apiserver": "kube-apiserver",
    "kube-controller": "kube-controller-manager",
    "kube-scheduler": "kube-scheduler",
}


@dataclass(frozen=True, slots=True)
class FoundCertificates:
    """Content of part certificates."""

    files: tuple[CertificateFile, ...] = ()
    authority_keys: frozenset[str] = frozenset()
    started: Mapping[str, datetime] = field(default_factory=dict)
    unfinished: frozenset[str] = frozenset()


def certificates(text: str) -> FoundCertificates:
    """Part certificates. A file without a readable certificate is data; only lines that the script cannot have printed are an error."""
    return FoundCertificates(
        files=tuple(_files(text)),
        authority_keys=frozenset(values(text, "authority-key")),
        started=_started(values(text, "started")),
        unfinished=frozenset(values(text, "unfinished")),
    )


def read_certificate(pem: str) -> Certificate:
    """The first certificate in PEM text. ValueError, with a reason for people, when there is none or it cannot be read."""
    begin = pem.find(_BEGIN)
    end = pem.find(_END, begin) if begin >= 0 else -1
    if end < 0:
        raise ValueError(NO_CERTIFICATE)
    # imported here to keep `sixstack check` fast
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import load_pem_x509_certificate

    try:
        found = load_pem_x509_certificate(pem[begin : end + len(_END)].encode())
        return Certificate(
            subject=_text(found.subject.rfc4514_string()),
            issuer=_text(found.issuer.rfc4514_string()),
            valid_from=found.not_valid_before_utc,
            valid_until=found.not_valid_after_utc,
            fingerprint=found.fingerprint(SHA256()).hex(),
            names=_names(found),
            authority=_is_authority(found),
        )
    except Exception as error:  # the exceptions of cryptography for certificates that are wrong have no common base
        raise ValueError(f"the certificate cannot be read: {_text(str(error)) or type(error).__name__}") from None


def _files(text: str) -> Iterator[CertificateFile]:
    """Each file, with the certificate in the lines up to the next file."""
    current: CertificateFile | None = None
    lines: list[str] = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word in {"file", "kubeconfig"}:
            if current is not None:
                yield _with_certificate(current, lines)
            seconds, _, path = rest.partition(" ")
            current, lines = CertificateFile(printable(path), None, changed=_time(seconds), kubeconfig=word == "kubeconfig"), []
        elif word == "reference" and current is not None:
            current = replace(current, reference=printable(rest))
        else:
            lines.append(line)
    if current is not None:
        yield _with_certificate(current, lines)


def _with_certificate(file: CertificateFile, lines: list[str]) -> CertificateFile:
    try:
        return replace(file, certificate=read_certificate("\n".join(lines)))
    except ValueError as error:
        return replace(file, fault=str(error))


def _started(lines: tuple[str, ...]) -> dict[str, datetime]:
    """The newest process of each component: during a restart, there may be two."""
    started: dict[str, datetime] = {}
    for line in lines:
        name, _, seconds = line.partition(" ")
        if (moment := _time(seconds)) is not None:
            component = _COMPONENTS[name]
            started[component] = max(moment, started.get(component, moment))
    return started


def _time(seconds: str) -> datetime | None:
    """None for 0: unknown. ValueError for a time that no calendar has."""
    number = whole_number(seconds)
    try:
        return datetime.fromtimestamp(number, UTC) if number else None
    except (OverflowError, OSError) as error:
        raise ValueError(f"the time {seconds} is out of range") from error


def _names(found: X509) -> tuple[str, ...]:
    from cryptography.x509 import ExtensionNotFound, SubjectAlternativeName

    try:
        names = found.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return ()
    texts = []
    for name in list(names)[:_MOST_NAMES]:
        content = name.value
        texts.append(str(content) if isinstance(content, IPv4Address | IPv6Address) else _text(str(content)).lower())
    return tuple(dict.fromkeys(texts))


def _is_authority(found: X509) -> bool:
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    try:
        return found.extensions.get_extension_for_class(BasicConstraints).value.ca
    except ExtensionNotFound:
        return False


def _text(text: str) -> str:
    return printable(text)[:_LONGEST_TEXT]
