"""Number of control planes, and API endpoint."""

from collections.abc import Mapping

import pytest

from cluster.vocabulary.problems import Severity
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
            "api:06443",
            "2001:db8:1::11:6443",
            "2001:db8:1::11:16443",
            "fd66::1:443",
        ],
    )
    def test_other_texts_are_refused(self, check: Check, endpoint: str) -> None:
        """kubeadm's ParseHostPort refuses or misreads them."""
        assert ("malformed-endpoint", "control_plane.endpoint") in check({"control_plane.endpoint": endpoint})

    @pytest.mark.parametrize(
        "endpoint",
        ["api.example.org", "api:6443", "198.18.0.100", "198.18.0.100:6443", "fd66::100", "[fd66::100]", "[fd66::100]:6443", None],
    )
    def test_names_and_addresses_are_accepted(self, check: Check, endpoint: str | None) -> None:
        """With and without a port; IPv6 with a port in brackets."""
        assert check({"control_plane.endpoint": endpoint}) == {}

    @pytest.mark.parametrize("text", ["2001:db8:1::11:6443", "2001:db8:1::11:16443"])
    def test_an_ipv6_address_with_a_port_and_no_brackets_gets_its_brackets(self, check: Check, text: str) -> None:
        """The first of the two is also the address of another machine."""
        host, _, port = text.rpartition(":")
        hint = check({"control_plane.endpoint": text})["malformed-endpoint", "control_plane.endpoint"].hint
        assert f"write [{host}]:{port}" in hint

    def test_an_address_that_ends_like_a_port_has_an_unambiguous_spelling(self, check: Check) -> None:
        """The one in the hint, in brackets. The address of a node needs none."""
        hint = check({"control_plane.endpoint": "2001:db8:1::11:6443"})["malformed-endpoint", "control_plane.endpoint"].hint
        assert "or [2001:db8:1::11:6443]:6443 if" in hint
        assert check({"control_plane.endpoint": "[2001:db8:1::11:6443]:6443"}) == {}
        assert check({"control_plane.endpoint": "fd66::1:8443", "hosts[0].addresses": ["198.18.0.11", "fd66::1:8443"]}) == {}


class TestEndpointPortDiffers:
    """endpoint-port-differs: a warning."""

    @pytest.mark.parametrize(
        "control_plane",
        [
            {"endpoint": "api.example.org:8443"},
            {"endpoint": "[fd66::100]:8443"},
            {"endpoint": "198.18.0.11:8443", "bind_port": 6443},
            {"endpoint": "api.example.org", "bind_port": 7443},
        ],
    )
    def test_another_port_than_the_api_servers_gives_a_warning(self, check: Check, control_plane: Mapping[str, object]) -> None:
        """It says which port must be forwarded to which."""
        (((code, at), problem),) = check({"control_plane": control_plane}).items()
        assert (code, at, problem.severity) == ("endpoint-port-differs", "control_plane.endpoint", Severity.WARNING)
        assert "forward port" in problem.hint

    def test_the_hint_is_accepted(self, check: Check) -> None:
        """For a name of the control plane itself."""
        hint = check({"control_plane.endpoint": "api.example.org:8443"})["endpoint-port-differs", "control_plane.endpoint"].hint
        assert "bind_port: 8443" in hint
        assert check({"control_plane": {"endpoint": "api.example.org:8443", "bind_port": 8443}}) == {}

    @pytest.mark.parametrize("endpoint", ["198.18.0.11:8443", "[fd66::11]:8443", "api.example.org", "[fd66::100]"])
    def test_the_same_port_is_accepted(self, check: Check, endpoint: str) -> None:
        """The API server listens on the port of an endpoint that is its own address."""
        assert check({"control_plane.endpoint": endpoint}) == {}

    def test_an_address_is_not_judged_before_the_hosts_addresses_are_known(self, check: Check, out: object) -> None:
        """It may be the control plane's own."""
        assert check({"control_plane.endpoint": "198.18.0.11:8443", "hosts[0].addresses": out}) == {}


class TestBindPortTaken:
    """bind-port-taken."""

    @pytest.mark.parametrize("port", [2379, 2380, 10248, 10250, 10256, 10257, 10259])
    def test_a_port_of_another_component_is_refused(self, check: Check, port: int) -> None:
        """Whether it comes from the port of the endpoint or from its own field."""
        assert ("bind-port-taken", "control_plane.bind_port") in check({"control_plane.bind_port": port})
        assert ("bind-port-taken", "control_plane.endpoint") in check({"control_plane.endpoint": f"198.18.0.11:{port}"})

    def test_the_ports_of_the_file_count(self, check: Check) -> None:
        """The controller manager has another port."""
        moved = {"kubeadm.extra_args": {"controller_manager": {"secure-port": "11257"}}}
        assert check({**moved, "control_plane.bind_port": 10257}) == {}
        assert list(check({**moved, "control_plane.bind_port": 11257})) == [("bind-port-taken", "control_plane.bind_port")]

    def test_the_port_of_a_pod_network_is_refused(self, check: Check) -> None:
        """Felix of Calico listens on 9099."""
        assert ("bind-port-taken", "control_plane.bind_port") in check({"control_plane.bind_port": 9099, "cni.kind": "calico"})
        assert check({"control_plane.bind_port": 9099}) == {}


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

    @pytest.mark.parametrize(
        "name", ["[fd66::1]", "api:6443", "2001:db8::1:6443", "[2001:db8::1]:6443", "API", "", "*.*.example.org", "https://api"]
    )
    def test_other_texts_are_refused(self, check: Check, name: str) -> None:
        """kubeadm's ValidateCertSANs refuses them."""
        assert ("malformed-san", "control_plane.extra_sans[0]") in check({"control_plane.extra_sans": [name]})

    @pytest.mark.parametrize("name", ["api.example.org", "*.example.org", "fd66::1", "203.0.113.7"])
    def test_names_and_addresses_are_accepted(self, check: Check, name: str) -> None:
        """Of any family, because clients outside the cluster can use the certificate."""
        assert check({"control_plane.extra_sans": [name]}) == {}
