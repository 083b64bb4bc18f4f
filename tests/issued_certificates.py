"""Certificates and authorities that tests issue themselves, with any term."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


def pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    """The private key, as kubeadm writes one."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


@dataclass
class Authority:
    """An authority. One that exists is read from its two PEM files."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, name: str = "kubernetes", valid_from: datetime = NOW - timedelta(days=1), term: timedelta = 10 * YEAR) -> Authority:
        """An authority that signs itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), _name(name), key, valid_from, term).add_extension(x509.BasicConstraints(True, None), True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def read(cls, certificate: str, key: str) -> Authority:
        """The authority of a cluster."""
        loaded = serialization.load_pem_private_key(key.encode(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return cls(loaded, x509.load_pem_x509_certificate(certificate.encode()))

    @property
    def pem(self) -> str:
        """The certificate of the authority."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self,
        name: str,
        organization: str = "",
        names: Sequence[str] = (),
        *,
        valid_from: datetime = NOW - timedelta(days=1),
        term: timedelta = YEAR,
    ) -> tuple[str, str]:
        """A certificate and its key, both PEM, for servers and clients. `names`: DNS names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name, organization), self.certificate.subject, key, valid_from, term)
        usages = [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False).add_extension(x509.BasicConstraints(False, None), True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([*map(_alternative_name, names)]), False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(), pem_of_key(key)


def with_version(pem: str, version: int) -> str:
    """A certificate with another number for its version, 2 in every certificate of today (X.509 v3)."""
    der = base64.b64decode("".join(pem.splitlines()[1:-1]))
    changed = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([version]), 1)
    assert changed != der
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(changed).decode()}-----END CERTIFICATE-----\n"


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid_from: datetime, term: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_from + term)
    )


def _name(text: str, organization: str = "") -> x509.Name:
    group = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*group, x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
