"""Node addresses as labels and back."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cluster.vocabulary.labels import address_labels, parse_node_address, selector_for, tkestack_labels

# what the API server takes as a label's value
VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def test_the_labels_of_a_dual_stack_node() -> None:
    """Both addresses are labelled, and either finds the node."""
    addresses = (IPv6Address("fd66::11"), IPv4Address("198.18.0.11"))
    assert address_labels(addresses) == {
        "node.sixstack.io/ipv4": "198.18.0.11",
        "node.sixstack.io/ipv6": "fd660000000000000000000000000011",
    }
    assert selector_for(addresses[0]) == "node.sixstack.io/ipv6=fd660000000000000000000000000011"
    assert selector_for(addresses[1]) == "node.sixstack.io/ipv4=198.18.0.11"


@given(st.ip_addresses(v=4), st.ip_addresses(v=6))
def test_labels_round_trip(ipv4: IPv4Address, ipv6: IPv6Address) -> None:
    """The labels are lossless and valid label values."""
    assume(ipv6.ipv4_mapped is None)
    labels = address_labels((ipv6, ipv4))
    assert [parse_node_address(labels[f"node.sixstack.io/{family}"]) for family in ("ipv4", "ipv6")] == [ipv4, ipv6]
    assert all(VALUE.fullmatch(value) for value in labels.values())


@given(st.ip_addresses(v=6))
def test_every_notation_gives_the_same_selector(address: IPv6Address) -> None:
    """Exploded, upper case, in brackets, as the label's own digits."""
    assume(address.ipv4_mapped is None)
    spellings = [address.exploded, address.compressed.upper(), f"[{address}]", f" {address}\n", f"{int(address):032x}"]
    assert {selector_for(parse_node_address(text)) for text in spellings} == {selector_for(address)}


def test_labels_are_unique() -> None:
    """fd00::1:1:1 and fd00::1a1:1 give one pair of labels when ':' is replaced by 'a'."""
    assert selector_for(ip_address("fd00::1:1:1")) != selector_for(ip_address("fd00::1a1:1"))


def test_a_mapped_address_becomes_ipv4() -> None:
    """As input. As a node address it is refused."""
    assert parse_node_address("::ffff:198.18.0.11") == IPv4Address("198.18.0.11")
    with pytest.raises(ValueError, match=r"::ffff:c612:b"):
        selector_for(IPv6Address("::ffff:198.18.0.11"))


@pytest.mark.parametrize("text", ["", "node-1", "fd66::11%eth0", "198.18.0.300", "fd66", "[198.18.0.11"])
def test_other_texts_are_refused(text: str) -> None:
    """ValueError."""
    with pytest.raises(ValueError, match=r"."):
        parse_node_address(text)


def test_two_addresses_of_one_family_are_refused() -> None:
    """A node has one address per family."""
    with pytest.raises(ValueError, match="second"):
        address_labels((ip_address("::2"), ip_address("::3")))


def test_tkestack_labels_match_its_tools() -> None:
    """The text cut at half its length, `a` for each colon, under both names of the second half; IPv4 as it is."""
    addresses = (IPv6Address("240d:c000:1000:3400:0:91a2:3ff3:4b3e"), IPv4Address("172.22.0.67"))
    assert tkestack_labels(addresses) == {
        "platform.tkestack.io/machine-ip": "172.22.0.67",
        "platform.tkestack.io/machine-ipv6-head": "240dac000a1000a340",
        "platform.tkestack.io/machine-ipv6-tail": "0a0a91a2a3ff3a4b3e",
        "platform.tkestack.io/machine-ipv6-till": "0a0a91a2a3ff3a4b3e",
    }


def test_tkestack_labels_are_not_unique() -> None:
    """Therefore sixstack does not find nodes by these labels."""
    assert tkestack_labels([ip_address("fd00::1:1:1")]) == tkestack_labels([ip_address("fd00::1a1:1")])


@given(st.ip_addresses())
def test_tkestack_labels_are_valid_label_values(address: IPv6Address) -> None:
    """For every address."""
    assert all(VALUE.fullmatch(value) for value in tkestack_labels([address]).values())
