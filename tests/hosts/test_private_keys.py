"""Private keys as people paste them into a form."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from hosts.private_keys import UnusableKey, read_private_key

ED25519, ECDSA = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    "ed25519 of OpenSSH": (ED25519.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), None),
    "encrypted ed25519": (ED25519.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(b"p")), "p"),
    "ECDSA in PKCS 8": (ECDSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), None),
    "RSA in PKCS 1": (RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), None),
}


@pytest.mark.parametrize("between", ["\n", "\r\n", "", " "], ids=["lines", "of Windows", "removed", "blanks"])
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_is_read_whatever_became_of_its_line_breaks(kind: str, between: str) -> None:
    """The one-line field of the V2 UI removes them; a browser may put blanks there."""
    content, passphrase = KEYS[kind]
    expected = read_private_key(content.decode(), passphrase)
    assert read_private_key(between.join(content.decode().splitlines()), passphrase) == expected


def test_other_text_is_no_key() -> None:
    """The path of a key file, for one."""
    with pytest.raises(UnusableKey):
        read_private_key("~/.ssh/id_ed25519", None)
