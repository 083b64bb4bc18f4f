"""The credential block: its values, and those of blocks from before."""

from __future__ import annotations

import pytest

from blocks.ssh_credential import SSHCredential
from cluster.vocabulary.credentials import Credential

FIELDS = ("private_key", "passphrase", "password", "sudo_password", "agent_socket", "agent_key")


@pytest.mark.parametrize("empty", [None, ""], ids=["null", "empty"])
def test_an_empty_field_is_no_value(empty: str | None) -> None:
    """Blocks that were saved before have nulls."""
    block = SSHCredential.model_validate({**dict.fromkeys(FIELDS, empty), "password": "a"})
    assert block.credential() == Credential(password="a")
    assert block == SSHCredential.of(Credential(password="a"))


def test_every_value_comes_back() -> None:
    """Through the block."""
    given = Credential(**{name: f"/{name}" for name in FIELDS})
    assert SSHCredential.of(given).credential() == given
