"""Credentials never show themselves."""

from __future__ import annotations

from cluster.vocabulary.credentials import Credential


def test_a_credential_shows_which_parts_it_has_and_none_of_their_values() -> None:
    """repr, str and an f-string, as tracebacks and logs use them."""
    credential = Credential(password="p-word", private_key="k-text", passphrase="ph-rase", sudo_password="s-word")
    shown = f"{credential!r} {credential} {[credential]}"
    assert not any(secret in shown for secret in credential.secrets)
    assert repr(Credential(private_key="k")) == "Credential(private_key=***)"


def test_every_value_is_a_secret_and_empty_ones_are_none() -> None:
    """An empty string in the list would redact between any two letters."""
    assert Credential(password="a", passphrase="").secrets == ("a",)
    assert len(Credential("a", "b", "c", "d").secrets) == 4


def test_sudo_is_told_its_own_password_or_else_that_of_the_login() -> None:
    """One password for both is the usual case."""
    assert Credential(password="a").for_sudo == "a"
    assert Credential(password="a", sudo_password="b").for_sudo == "b"
    assert Credential(private_key="k").for_sudo is None
