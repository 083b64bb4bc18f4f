"""Credentials never reveal their values."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(
    ("credential", "words"),
    [
        (Credential(), ["neither a private key"]),
        (Credential(sudo_password="s"), ["neither a private key"]),
        (Credential(private_key="k", agent_socket="/a"), ["both a private key and an SSH agent"]),
        (Credential(agent_socket="a"), ["not absolute"]),
        (Credential(password="p", agent_key="k"), ["no SSH agent"]),
        (Credential(private_key="k", password="p"), []),
        (Credential(agent_socket="/a", agent_key="k", password="p"), []),
        (Credential(password="p"), []),
    ],
    ids=repr,
)
def test_a_login_has_one_source_of_a_key_or_a_password(credential: Credential, words: list[str]) -> None:
    """sshd may require a password after the key."""
    faults = list(credential.faults)
    assert len(faults) == len(words)
    assert all(word in fault for word, fault in zip(words, faults, strict=True))
