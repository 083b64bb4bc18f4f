"""host:port and its inverse."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.vocabulary.hostport import join_host_port, split_host_port


@given(st.ip_addresses(), st.integers(1, 65535))
def test_host_port_round_trip(address: IPv4Address | IPv6Address, port: int) -> None:
    """For every address of either family."""
    host, found = split_host_port(join_host_port(address, port))
    assert (ip_address(host), found) == (address, port)


def test_only_ipv6_has_brackets() -> None:
    """RFC 3986."""
    assert join_host_port(IPv6Address("fd66::11"), 6443) == "[fd66::11]:6443"
    assert join_host_port("198.18.0.11", 6443) == "198.18.0.11:6443"
    assert join_host_port("api.example.org", 443) == "api.example.org:443"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[FD66:0::0011]:80", ("fd66::11", 80)),
        ("[fd66::11]", ("fd66::11", 6443)),
        ("fd66::11", ("fd66::11", 6443)),
        ("198.18.0.11", ("198.18.0.11", 6443)),
        ("api:80", ("api", 80)),
    ],
)
def test_a_missing_port_is_the_default(text: str, expected: tuple[str, int]) -> None:
    """An IPv6 address is returned in canonical form."""
    assert split_host_port(text, 6443) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":80", "api", "api:", "api:0", "api:70000", "api:٣", "[fd66::11", "[fd66::11]80", "[api]:80", "fd66::11::1:80", "[::1%eth0]:80"],
)
def test_other_texts_are_refused(text: str) -> None:
    """ValueError without a default port."""
    with pytest.raises(ValueError, match=r"."):
        split_host_port(text)


def test_the_text_is_not_in_the_message() -> None:
    """It has any length, and control characters."""
    with pytest.raises(ValueError, match="brackets") as caught:
        split_host_port(f"[{'9' * 5000}\x1b]:1")
    assert len(str(caught.value)) < 100
