"""Credentials never reveal their values."""

from __future__ import annotations

from cluster.vocabulary.credentials import Credential


def test_repr_of_a_credential_has_no_values() -> None:
    """repr, str and an f-string, as tracebacks and logs use them."""
    credential = Credential(password="p-word", private_key="k-text", passphrase="ph-rase", sudo_password="s-word")
    shown = f"{credential!r} {credential} {[credential]}"
    assert not any(secret in shown for secret in credential.secrets)
    assert repr(Credential(private_key="k")) == "Credential(private_key=***)"


def test_every_non_empty_value_is_a_secret() -> None:
    """An empty string would match between all letters."""
    assert Credential(password="a", passphrase="").secrets == ("a",)
    assert len(Credential("a", "b", "c", "d").secrets) == 4


def test_the_password_for_sudo() -> None:
    """Usually one password serves both."""
    assert Credential(password="a").for_sudo == "a"
    assert Credential(password="a", sudo_password="b").for_sudo == "b"
    assert Credential(private_key="k").for_sudo is None
