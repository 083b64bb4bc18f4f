"""Private keys for SSH, in any format that OpenSSH or OpenSSL writes."""

from __future__ import annotations

import io
import re

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_CLASSES: tuple[tuple[type, type[paramiko.PKey]], ...] = (
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (rsa.RSAPrivateKey, paramiko.RSAKey),
)
_ONE_LINE = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)([A-Za-z0-9+/= ]+)(-----END [A-Z ]*PRIVATE KEY-----)")


class UnusableKey(Exception):
    """The key cannot be used; the message gives the reason and no part of the key."""


class EncryptedKey(UnusableKey):
    """The key needs a passphrase, and there is none."""


def read_private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    """Read a key for paramiko; UnusableKey for another text, an unknown type, or a missing or wrong passphrase."""
    key = _decrypted(_with_lines(text.strip()).encode() + b"\n", passphrase.encode() if passphrase else None)
    for loaded, signing in _CLASSES:
        if isinstance(key, loaded):
            # paramiko reads fewer formats than the cryptography package: hand it the one that it reads for every type, in memory
            plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())  # type: ignore[attr-defined]
            return signing.from_private_key(io.StringIO(plain.decode()))
    raise UnusableKey(f"it is of a type that SSH servers no longer take ({type(key).__name__}); use ed25519, ECDSA or RSA")


def _with_lines(text: str) -> str:
    """A key that was pasted into a form: the V2 UI has one line for a secret, and the browser removes the line breaks or puts blanks there."""
    if (found := _ONE_LINE.fullmatch(text)) is None:
        return text
    body = "".join(found[2].split())
    return "\n".join([found[1], *(body[start : start + 64] for start in range(0, len(body), 64)), found[3]])


def _decrypted(data: bytes, passphrase: bytes | None) -> object:
    openssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        return load(data, passphrase)
    except TypeError:  # of the cryptography package: an encrypted key without a passphrase, or a passphrase without an encrypted key
        if passphrase is None:
            raise EncryptedKey("it is encrypted, and the credential holds no passphrase") from None
        return _decrypted(data, None)
    except Exception as error:
        # other text than a key, or a wrong passphrase
        if passphrase is not None and b"PRIVATE KEY" in data and not isinstance(error, ImportError):
            raise UnusableKey("the passphrase does not fit, or the key is damaged") from None
        raise UnusableKey("it is not a private key in OpenSSH or PEM format") from None
