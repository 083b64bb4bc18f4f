"""Name servers of pods."""

import pytest

from tests.cluster.rules.conftest import Check


class TestUnusableNameServer:
    """unusable-name-server."""

    @pytest.mark.parametrize("address", ["127.0.0.53", "::1", "fe80::1", "0.0.0.0"])
    def test_an_unreachable_name_server_is_refused(self, check: Check, address: str) -> None:
        """Loopback is CoreDNS itself."""
        assert ("unusable-name-server", "network.dns_upstreams[0]") in check({"network.dns_upstreams": [address]})

    def test_link_local_ipv4_is_accepted(self, check: Check) -> None:
        """Clouds have their resolver at 169.254.169.253, which pods reach through the host."""
        assert check({"network.dns_upstreams": ["169.254.169.253", "2001:db8::53"]}) == {}


class TestNameServerFamily:
    """name-server-family."""

    def test_an_ipv4_server_in_an_ipv6_cluster_is_refused(self, check: Check) -> None:
        """Pods without IPv4 cannot reach it (coredns#2087)."""
        assert ("name-server-family", "network.dns_upstreams[0]") in check({"network.dns_upstreams": ["9.9.9.9"]}, stack="ipv6")

    def test_an_ipv6_server_is_accepted(self, check: Check) -> None:
        """Pods reach it."""
        assert check({"network.dns_upstreams": ["2620:fe::fe"]}, stack="ipv6") == {}
