"""Number of control planes, and API endpoint."""

import pytest

from tests.cluster.rules.conftest import Check


class TestNoControlPlane:
    """no-control-plane."""

    def test_a_cluster_without_control_plane_is_refused(self, check: Check) -> None:
        """A cluster needs a host with the API server."""
        assert ("no-control-plane", "hosts") in check({"hosts[0].role": "worker"})

    def test_one_is_accepted(self, check: Check) -> None:
        """The first host of the valid document."""
        assert check() == {}


class TestControlPlanesNotSupportedYet:
    """control-planes-not-supported-yet: exactly one."""

    def test_two_are_refused(self, check: Check) -> None:
        """The problem is at the second control plane."""
        assert ("control-planes-not-supported-yet", "hosts[2].role") in check({"hosts[2].role": "control-plane"})

    def test_the_control_plane_can_be_any_host(self, check: Check) -> None:
        """The order of hosts does not matter."""
        assert check({"hosts[0].role": "worker", "hosts[2].role": "control-plane"}) == {}


class TestMalformedEndpoint:
    """malformed-endpoint: host or host:port, IPv6 with a port in brackets."""

    @pytest.mark.parametrize(
        "endpoint",
        [
            "",
            "fd66::100::6443",
            "[fd66::100",
            "[198.18.0.1]:6443",
            "api:0",
            "api:65536",
            "api:x",
            "https://api:6443",
            "API.example.org",
            ":6443",
            "a_b",
            "api:",
        ],
    )
    def test_other_texts_are_refused(self, check: Check, endpoint: str) -> None:
        """kubeadm's ParseHostPort refuses or misreads them."""
        assert ("malformed-endpoint", "control_plane.endpoint") in check({"control_plane.endpoint": endpoint})

    @pytest.mark.parametrize(
        "endpoint",
        ["api.example.org", "api:443", "198.18.0.100", "198.18.0.100:6443", "fd66::100", "[fd66::100]", "[fd66::100]:6443", None],
    )
    def test_names_and_addresses_are_accepted(self, check: Check, endpoint: str | None) -> None:
        """With and without a port; IPv6 with a port in brackets."""
        assert check({"control_plane.endpoint": endpoint}) == {}


class TestEndpointFamily:
    """endpoint-family: a family that all nodes have."""

    def test_an_ipv4_endpoint_of_an_ipv6_cluster_is_refused(self, check: Check) -> None:
        """Hosts without IPv4 cannot reach it."""
        assert ("endpoint-family", "control_plane.endpoint") in check({"control_plane.endpoint": "198.18.0.100:6443"}, stack="ipv6")

    def test_loopback_is_refused(self, check: Check) -> None:
        """Each host would connect to itself."""
        assert ("endpoint-family", "control_plane.endpoint") in check({"control_plane.endpoint": "[::1]:6443"})

    def test_a_family_in_use_is_accepted(self, check: Check) -> None:
        """IPv6 in an IPv6 cluster."""
        assert check({"control_plane.endpoint": "[fd66::100]:6443"}, stack="ipv6") == {}


class TestMalformedSan:
    """malformed-san: addresses without brackets and DNS names."""

    @pytest.mark.parametrize("name", ["[fd66::1]", "api:6443", "API", "", "*.*.example.org", "https://api"])
    def test_other_texts_are_refused(self, check: Check, name: str) -> None:
        """kubeadm's ValidateCertSANs refuses them."""
        assert ("malformed-san", "control_plane.extra_sans[0]") in check({"control_plane.extra_sans": [name]})

    @pytest.mark.parametrize("name", ["api.example.org", "*.example.org", "fd66::1", "203.0.113.7"])
    def test_names_and_addresses_are_accepted(self, check: Check, name: str) -> None:
        """Of any family, because clients outside the cluster can use the certificate."""
        assert check({"control_plane.extra_sans": [name]}) == {}
