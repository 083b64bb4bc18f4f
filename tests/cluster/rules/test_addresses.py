"""Allowed node addresses and ranges."""

import pytest

from tests.cluster.rules.conftest import Check


class TestUnusableAddress:
    """unusable-address: no loopback, multicast, link-local, unspecified, IPv4-mapped node addresses."""

    @pytest.mark.parametrize("address", ["::1", "ff02::1", "fe80::1", "::", "::ffff:198.18.0.12"])
    def test_special_ipv6_addresses_are_refused(self, check: Check, address: str) -> None:
        """The kubelet would refuse them, or Go would convert them to IPv4."""
        assert ("unusable-address", "hosts[1].addresses[1]") in check({"hosts[1].addresses[1]": address})

    @pytest.mark.parametrize("address", ["127.0.0.1", "224.0.0.1", "169.254.1.1", "0.0.0.0", "255.255.255.255"])
    def test_special_ipv4_addresses_are_refused(self, check: Check, address: str) -> None:
        """The kubelet would refuse each of them."""
        assert ("unusable-address", "hosts[1].addresses[0]") in check({"hosts[1].addresses[0]": address})

    def test_the_hint_has_the_ipv4_address_of_a_mapped_address(self, check: Check) -> None:
        """The hint has the IPv4 address inside."""
        assert "198.18.0.12" in check({"hosts[1].addresses[1]": "::ffff:c612:c"})["unusable-address", "hosts[1].addresses[1]"].hint

    def test_a_global_address_is_accepted(self, check: Check) -> None:
        """Including documentation addresses."""
        assert check({"hosts[1].addresses": ["192.0.2.1", "2001:db8::1"]}) == {}


class TestUnusableRange:
    """unusable-range: pods and services have ordinary addresses."""

    @pytest.mark.parametrize("cidr", ["fe80::/112", "ff00::/112", "::/112", "::ffff:0:0/112"])
    def test_special_ranges_are_refused(self, check: Check, cidr: str) -> None:
        """No service can have such an address."""
        assert ("unusable-range", "network.services[1]") in check({"network.services[1]": cidr})

    def test_a_pod_range_that_contains_loopback_is_refused(self, check: Check) -> None:
        """Even if only a part of the range is special."""
        assert ("unusable-range", "network.pods[0].cidr") in check({"network.pods[0].cidr": "127.0.0.0/16"})

    def test_private_ranges_are_accepted(self, check: Check) -> None:
        """RFC 1918, RFC 6598 and RFC 4193."""
        assert (
            check({"network.pods[0].cidr": "100.64.0.0/16", "network.services[0]": "192.168.0.0/20", "network.services[1]": "fc00::/112"})
            == {}
        )


class TestSiteLocal:
    """site-local: a warning for fec0::/10."""

    def test_a_site_local_range_gives_a_warning(self, check: Check) -> None:
        """RFC 3879 deprecates it; kubeadm warns too."""
        assert check({"network.pods[1].cidr": "fec0::/56"})["site-local", "network.pods[1].cidr"].severity == "warning"

    def test_a_site_local_node_address_gives_a_warning(self, check: Check) -> None:
        """RFC 3879 deprecates it."""
        assert check({"hosts[1].addresses[1]": "fec0::12"})["site-local", "hosts[1].addresses[1]"].severity == "warning"

    def test_unique_local_is_accepted(self, check: Check) -> None:
        """RFC 4193 replaces site-local addresses."""
        assert check({"network.pods[1].cidr": "fd12:3456::/56"}) == {}


class TestPublicRange:
    """public-range: a warning."""

    @pytest.mark.parametrize(("path", "cidr"), [("network.pods[0].cidr", "8.8.0.0/16"), ("network.services[1]", "2001:db8::/112")])
    def test_a_public_range_gives_a_warning(self, check: Check, path: str, cidr: str) -> None:
        """A warning only, because the owner of the cluster can own the range."""
        assert check({path: cidr})["public-range", path].severity == "warning"

    def test_a_partly_private_range_gives_a_warning(self, check: Check) -> None:
        """172.0.0.0/8 is more than 172.16.0.0/12."""
        assert ("public-range", "network.pods[0].cidr") in check({"network.pods[0]": {"cidr": "172.0.0.0/11", "node_mask": 24}})

    def test_a_private_range_is_accepted(self, check: Check) -> None:
        """The valid document has private ranges."""
        assert check() == {}


class TestDuplicateAddress:
    """duplicate-address."""

    def test_a_duplicate_address_in_any_notation_is_refused(self, check: Check) -> None:
        """fd66:0::11 is fd66::11."""
        found = check({"hosts[1].addresses[1]": "fd66:0:0::0011"})
        assert "hosts[0].addresses[1]" in found["duplicate-address", "hosts[1].addresses[1]"].message

    def test_different_addresses_are_accepted(self, check: Check) -> None:
        """The valid document has six addresses."""
        assert check() == {}
