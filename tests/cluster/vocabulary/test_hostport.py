"""host:port and its inverse."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.vocabulary.hostport import API_PORT, api_bind_port, join_host_port, split_host_port, unbracketed_port
from cluster.vocabulary.spec import ControlPlane


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
    [
        "",
        ":80",
        "api",
        "api:",
        "api:0",
        "api:70000",
        "api:٣",
        "api:06443",
        "[fd66::11]:080",
        "[fd66::11",
        "[fd66::11]80",
        "[api]:80",
        "fd66::11::1:80",
        "[::1%eth0]:80",
    ],
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


@given(st.ip_addresses(v=6), st.integers(1, 65535))
def test_a_port_without_brackets_is_found_after_every_address_that_leaves_room(address: IPv6Address, port: int) -> None:
    """A number from 1000 always; a smaller one where the text is no address, or where it is a well-known port."""
    found = unbracketed_port(f"{address}:{port}")
    if port >= 1000 or port in (22, 53, 80, 443):
        assert found == (str(address), port)
    else:
        assert found in (None, (str(address), port))


@given(st.ip_addresses(v=6))
def test_an_address_of_eight_groups_has_one_meaning(address: IPv6Address) -> None:
    """The spelling that hints propose for an address that looks as if it had a port."""
    assert unbracketed_port(address.exploded) is None


@pytest.mark.parametrize(
    "text", ["fd66::11", "fd66::100", "2001:db8::", "::1", "::6443", "api:6443", "198.18.0.11:6443", "fd66::1:0443", "fd66::1:11", "", ":"]
)
def test_other_texts_have_no_port_without_brackets(text: str) -> None:
    """Plain addresses, and host:port that needs no brackets."""
    assert unbracketed_port(text) is None


@pytest.mark.parametrize(
    ("control_plane", "port"),
    [
        (ControlPlane(), API_PORT),
        (ControlPlane(bind_port=7443), 7443),
        (ControlPlane(endpoint="[FD66::11]:7443"), 7443),
        (ControlPlane(endpoint="[fd66::11]:443", bind_port=8443), 8443),
        (ControlPlane(endpoint="[fd66::12]:443"), API_PORT),
        (ControlPlane(endpoint="api.example.org:8443"), API_PORT),
        (ControlPlane(endpoint="api.example.org:8443", bind_port=8443), 8443),
    ],
)
def test_the_api_server_listens_on_the_port_of_the_file_or_of_its_own_endpoint(control_plane: ControlPlane, port: int) -> None:
    """A name may be a load balancer, so its port is not taken over."""
    assert api_bind_port(control_plane, [IPv6Address("fd66::11")]) == port
