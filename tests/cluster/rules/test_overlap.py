"""Overlaps of ranges and addresses."""

import pytest

from tests.cluster.rules.conftest import Check


class TestRangesOverlap:
    """ranges-overlap: pod and service ranges are disjoint."""

    @pytest.mark.parametrize(("path", "cidr"), [("network.services[0]", "10.244.0.0/20"), ("network.services[1]", "fd44:0:0:1::/112")])
    def test_services_inside_pods_are_refused(self, check: Check, path: str, cidr: str) -> None:
        """In both families."""
        assert ("ranges-overlap", path) in check({path: cidr})

    def test_adjacent_ranges_are_accepted(self, check: Check) -> None:
        """Adjacent ranges have no common address."""
        assert check({"network.services[0]": "10.245.0.0/16", "network.services[1]": "fd44:0:0:100::/112"}) == {}


class TestAddressInRange:
    """address-in-range: addresses of hosts, endpoint and name servers are outside of pod and service ranges."""

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("hosts[1].addresses[0]", "10.244.3.4"),
            ("hosts[1].addresses[1]", "fd44::12"),
            ("hosts[1].ssh.address", "10.96.0.1"),
            ("hosts[1].ssh.jump", {"address": "fd44::1", "host_key": "trust-on-first-use"}),
            ("control_plane.endpoint", "[fd44::100]:6443"),
            ("network.dns_upstreams", ["10.96.0.10"]),
        ],
    )
    def test_an_address_inside_is_refused(self, check: Check, path: str, value: object) -> None:
        """The hosts would route packets to this address into the cluster."""
        found = [place for code, place in check({path: value}) if code == "address-in-range"]
        assert [place.startswith(path) for place in found] == [True]

    def test_a_range_over_all_hosts_is_one_problem(self, check: Check) -> None:
        """The range is wrong, and not each of the hosts. The hint has a free range."""
        found = check({"network.pods[0].cidr": "198.18.0.0/16"})
        assert list(found) == [("address-in-range", "network.pods[0].cidr")]
        assert "2 more" in found["address-in-range", "network.pods[0].cidr"].message
        assert "10.244.0.0/16" in found["address-in-range", "network.pods[0].cidr"].hint

    def test_addresses_outside_are_accepted(self, check: Check) -> None:
        """A virtual address, a name server and a jump host outside the ranges."""
        changes = {
            "control_plane.endpoint": "198.18.0.100:6443",
            "network.dns_upstreams": ["198.18.0.1", "fd66::1"],
            "hosts[1].ssh.jump": {"address": "203.0.113.1", "host_key": "trust-on-first-use"},
        }
        assert check(changes) == {}
