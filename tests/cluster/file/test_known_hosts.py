"""Host keys from a known_hosts file."""

import base64
import hashlib
import hmac
from ipaddress import ip_address

import pytest

from cluster.file.known_hosts import known_host_key

HOST = ip_address("fd66::11")


def hashed(name: str) -> str:
    """The name as `HashKnownHosts yes` writes it."""
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize("names", ["fd66::11", "FD66::11", "host,fd66::11", "[fd66::11]:22", hashed("fd66::11")])
def test_a_key_is_found_by_the_address(names: str) -> None:
    """However OpenSSH writes it."""
    assert known_host_key(f"# c\n{names} ssh-ed25519 AAAA comment\n", HOST, 22) == "ssh-ed25519 AAAA"


@pytest.mark.parametrize("names", ["fd66::12", "*", "[fd66::11]:2222", hashed("fd66::12"), "|1|x", "@cert-authority fd66::11"])
def test_other_names_are_not_the_hosts(names: str) -> None:
    """Nor wildcards, nor authorities."""
    assert known_host_key(f"{names} ssh-ed25519 AAAA\n", HOST, 22) is None


def test_another_port_is_another_server() -> None:
    """In brackets, with the port."""
    text = "fd66::11 ssh-ed25519 AAAA\n[fd66::11]:2222 ssh-ed25519 BBBB\n"
    assert known_host_key(text, HOST, 2222) == "ssh-ed25519 BBBB"


def test_ed25519_comes_first_and_the_first_line_of_a_kind() -> None:
    """Whatever the order of kinds."""
    text = "fd66::11 ssh-rsa AAAA\nfd66::11 ssh-ed25519 BBBB\nfd66::11 ssh-ed25519 CCCC\nfd66::11 ssh-dss DDDD\n"
    assert known_host_key(text, HOST, 22) == "ssh-ed25519 BBBB"


def test_a_revoked_key_is_none() -> None:
    """Another one of the host is."""
    text = "fd66::11 ssh-ed25519 AAAA\nfd66::11 ssh-rsa BBBB\n@revoked * ssh-ed25519 AAAA\n"
    assert known_host_key(text, HOST, 22) == "ssh-rsa BBBB"
