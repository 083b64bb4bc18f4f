"""One credential for each distinct login, and no secret in what is said."""

from typing import Any

import pytest

from cluster.vocabulary.credentials import Credential
from importers.logins import Logins
from tests.importers.tkestack.samples import PASSWORD, WORKER, dual_stack_cluster, encoded, faults, imported, told, worker

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----"


def test_the_same_login_is_one_block_and_another_is_another() -> None:
    """User, password, key and passphrase together are a login."""
    logins = Logins("cls-1")
    one, other = Credential(password="a"), Credential(password="b")
    assert [logins.block(user, credential) for user, credential in [("root", one), ("root", other), ("root", one), ("ubuntu", one)]] == [
        "cls-1-root",
        "cls-1-root-2",
        "cls-1-root",
        "cls-1-ubuntu",
    ]


@pytest.mark.parametrize(("user", "block"), [("Admin_1", "cls-1-admin-1"), ("用户", "cls-1-user"), ("x" * 99, "cls-1-" + "x" * 53)])
def test_a_block_is_named_as_prefect_takes_it(user: str, block: str) -> None:
    """Lower-case letters, digits and hyphens, at most 63."""
    assert Logins("cls-1").block(user, Credential(password="a")) == block


def test_users_that_look_alike_have_blocks_of_their_own() -> None:
    """The names are told apart by numbers."""
    logins = Logins("c")
    assert {logins.block(user, Credential(password="a")) for user in ("a.b", "a-b", "a_b")} == {"c-a-b", "c-a-b-2", "c-a-b-3"}


def test_key_and_passphrase_are_decoded() -> None:
    """A key file ends with a line feed."""
    (login,) = imported(dual_stack_cluster(password=None, privateKey=encoded(KEY), passPhrase=encoded("open"))).logins
    assert login.credential == Credential(private_key=KEY + "\n", passphrase="open")


def test_base64_may_be_wrapped() -> None:
    """As `base64` prints long keys; Go's decoder passes line feeds over."""
    text = encoded(KEY)
    (login,) = imported(dual_stack_cluster(privateKey=f"{text[:20]}\n{text[20:]}\n")).logins
    assert login.credential == Credential(password=PASSWORD, private_key=KEY + "\n")


def test_a_line_feed_at_the_end_of_a_password_is_removed_and_reported() -> None:
    """`echo secret | base64` makes it, and no login would succeed."""
    result = imported(dual_stack_cluster(password=encoded(PASSWORD + "\n")))
    assert result.logins[0].credential.password == PASSWORD
    assert "line feed" in told(result)["a.json: spec.machines[0].password"]


def test_a_passphrase_without_a_key_is_not_taken() -> None:
    """It opens nothing."""
    result = imported(dual_stack_cluster(passPhrase=encoded("open")))
    assert result.logins[0].credential == Credential(password=PASSWORD)
    assert "not taken over" in told(result)["a.json: spec.machines[0].passPhrase"]


@pytest.mark.parametrize("password", ["hunter2", "hunter2hunter2==", "aHVudGVyM", 12345, ["hunter2"], "/w=="])
def test_a_secret_that_cannot_be_read_is_a_fault_that_does_not_show_it(password: Any) -> None:
    """Not base64, base64 of no text, no text at all."""
    result = imported(dual_stack_cluster(password=password))
    assert faults(result) == {"a.json: spec.machines[0].password": "not-base64"}
    assert not any("hunter2" in str(problem) or "12345" in str(problem) for problem in result.problems)


def test_two_machines_of_one_login_name_one_block() -> None:
    """And a Machine with another password names another."""
    result = imported(dual_stack_cluster(), worker(WORKER["ipv4"], "cls-1", password=encoded("other")))
    assert result.document is not None
    assert [host["ssh"]["credential"] for host in result.document["hosts"]] == ["cls-1-root", "cls-1-root-2"]
    assert [login.credential.password for login in result.logins] == [PASSWORD, "other"]
