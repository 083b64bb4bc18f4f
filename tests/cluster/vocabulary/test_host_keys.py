"""Names of SSH endpoints, and fingerprints."""

from __future__ import annotations

import pytest

from cluster.vocabulary.host_keys import RecordedHostKey, endpoint_name, fingerprint
from cluster.vocabulary.spec import Endpoint

# the key and the fingerprint of a public Git host, as it publishes them
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
FINGERPRINT = "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


@pytest.mark.parametrize(
    ("address", "port", "name"),
    [
        ("198.18.0.11", 22, "198.18.0.11:22"),
        ("198.18.0.11", 2222, "198.18.0.11:2222"),
        ("FD66:0:0::11", 22, "[fd66::11]:22"),
        ("fe80::1%eth0", 22, "[fe80::1%eth0]:22"),
        ("Node-1.Example.ORG.", 22, "node-1.example.org:22"),
    ],
)
def test_an_endpoint_has_one_name_in_every_spelling(address: str, port: int, name: str) -> None:
    """With its port, also 22."""
    assert endpoint_name(Endpoint(address=address, port=port)) == name


def test_user_and_credential_are_no_part_of_the_name_and_the_jump_host_is() -> None:
    """Another login reaches the same machine; another jump host another one."""
    jump = Endpoint(address="2001:db8::1", port=2200, user="jump")
    assert endpoint_name(Endpoint(address="10.0.0.1", user="ops", credential="ops"), jump) == "10.0.0.1:22 via [2001:db8::1]:2200"


@pytest.mark.parametrize("key", [KEY, f"{KEY} comment"])
def test_the_fingerprint_is_that_of_ssh_keygen(key: str) -> None:
    """Without padding, and with the type of the key."""
    assert fingerprint(key) == FINGERPRINT


def test_a_key_is_forgotten_by_the_name_of_its_host_and_by_its_endpoint_for_a_jump_host() -> None:
    """Several hosts share a jump host, which has no name."""
    assert RecordedHostKey.first_use("node-1", "198.18.0.11:22", KEY).forget_name == "node-1"
    assert RecordedHostKey.first_use("jump host", "192.0.2.1:22", KEY).forget_name == "192.0.2.1:22"
