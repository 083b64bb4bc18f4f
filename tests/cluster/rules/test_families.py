"""Families of ranges and addresses, and their order."""

import pytest

from tests.cluster.rules.conftest import Check


class TestStackDiffers:
    """stack-differs: a wrong `stack` is one problem."""

    @pytest.mark.parametrize(
        ("stack", "written", "right"),
        [
            ("dual-stack", "ipv4", "dual-stack"),
            ("dual-stack", "ipv6", "dual-stack"),
            ("ipv4", "dual-stack", "ipv4"),
            ("ipv6", "ipv4", "ipv6"),
        ],
    )
    def test_ranges_and_addresses_that_agree_outvote_the_field(self, check: Check, stack: str, written: str, right: str) -> None:
        """Name servers, endpoint and proxies of the families of the ranges are no problems either."""
        server = "fd66::53" if stack == "ipv6" else "198.18.0.53"
        found = check(
            {"stack": written, "network.dns_upstreams": [server], "control_plane": {"endpoint": server}},
            stack=stack,
            primary="ipv6" if stack == "ipv6" else "ipv4",
        )
        assert list(found) == [("stack-differs", "stack")]
        assert f"stack: {right}," in found["stack-differs", "stack"].hint

    def test_lists_that_do_not_agree_are_problems_of_their_own(self, check: Check) -> None:
        """Then `stack` may be right."""
        assert ("stack-differs", "stack") not in check({"stack": "ipv4", "network.services": ["10.96.0.0/16"]})


class TestPrimaryFamilyDiffers:
    """primary-family-differs: a wrong `primary_family` is one problem."""

    def test_ranges_and_addresses_in_one_order_outvote_the_field(self, check: Check) -> None:
        """Also when the file has only the default."""
        assert list(check({"primary_family": "ipv6"})) == [("primary-family-differs", "primary_family")]

    def test_one_list_in_another_order_is_a_problem_of_the_list(self, check: Check) -> None:
        """The hint is the list in the right order, and says nothing about primary_family."""
        found = check({"network.services": ["fd44:0:0:ffff::/112", "10.96.0.0/16"]})
        assert list(found) == [("service-order", "network.services")]
        assert "primary_family" not in found["service-order", "network.services"].hint

    def test_two_ranges_of_the_one_family_have_no_order(self, check: Check) -> None:
        """The second range is the problem."""
        found = check({"network.pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "10.245.0.0/16"}]}, stack="ipv4")
        assert list(found) == [("pod-families", "network.pods[1]")]


class TestPodFamilies:
    """pod-families: one pod CIDR for each family in use."""

    def test_a_missing_family_is_refused_with_an_example(self, check: Check) -> None:
        """Dual-stack with only IPv4 pods. The hint has an IPv6 range."""
        found = check({"network.pods": [{"cidr": "10.244.0.0/16"}]})
        assert "fd44::/56" in found["pod-families", "network.pods"].hint

    def test_a_family_that_is_not_in_use_is_refused(self, check: Check) -> None:
        """An IPv6 pod range in an IPv4 cluster."""
        assert ("pod-families", "network.pods[1]") in check(
            {"network.pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}]}, stack="ipv4"
        )

    def test_two_of_one_family_are_refused(self, check: Check) -> None:
        """Kubernetes accepts at most one pod range per family."""
        found = check({"network.pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "10.245.0.0/16"}]})
        assert ("pod-families", "network.pods[1]") in found
        assert ("pod-families", "network.pods") in found

    @pytest.mark.parametrize(("stack", "primary"), [("ipv4", "ipv4"), ("ipv6", "ipv6"), ("dual-stack", "ipv4"), ("dual-stack", "ipv6")])
    def test_the_families_in_use_are_accepted(self, check: Check, stack: str, primary: str) -> None:
        """Every stack mode has a valid document."""
        assert check(stack=stack, primary=primary) == {}


class TestServiceFamilies:
    """service-families: one service CIDR for each family in use."""

    def test_a_missing_family_is_refused(self, check: Check) -> None:
        """Dual-stack with only IPv6 services."""
        assert ("service-families", "network.services") in check({"network.services": ["fd44:0:0:ffff::/112"]})

    def test_an_empty_list_is_refused(self, check: Check) -> None:
        """One problem per family."""
        assert ("service-families", "network.services") in check({"network.services": []}, stack="ipv6")

    def test_both_are_accepted(self, check: Check) -> None:
        """One range of each family."""
        assert check({"network.services": ["10.97.0.0/16", "fd45::/112"]}) == {}


class TestAddressFamilies:
    """address-families: none, or one node address for each family in use."""

    def test_one_address_in_dual_stack_is_refused(self, check: Check) -> None:
        """Dual-stack needs both families on every host (kubernetes#100675)."""
        assert ("address-families", "hosts[1].addresses") in check({"hosts[1].addresses": ["198.18.0.12"]})

    def test_three_addresses_are_refused(self, check: Check) -> None:
        """The kubelet accepts one address per family."""
        assert ("address-families", "hosts[1].addresses[2]") in check({"hosts[1].addresses": ["198.18.0.12", "fd66::12", "fd66::22"]})

    def test_an_ipv4_address_in_an_ipv6_cluster_is_refused(self, check: Check) -> None:
        """A node of an IPv6-only cluster has no IPv4 address."""
        assert ("address-families", "hosts[1].addresses[1]") in check({"hosts[1].addresses": ["fd66::12", "198.18.0.12"]}, stack="ipv6")

    def test_no_address_is_accepted(self, check: Check, out: object) -> None:
        """Missing addresses are detected on the host."""
        assert check({"hosts[1].addresses": out}) == {}


class TestPodOrder:
    """pod-order: the primary family first."""

    def test_the_other_order_is_refused(self, check: Check) -> None:
        """IPv6 pods first in an IPv4-first cluster. The hint has the right order."""
        found = check({"network.pods": [{"cidr": "fd44::/56"}, {"cidr": "10.244.0.0/16"}]})
        assert "10.244.0.0/16, fd44::/56" in found["pod-order", "network.pods"].hint

    def test_primary_first_is_accepted(self, check: Check) -> None:
        """IPv6 first if IPv6 is the primary family."""
        assert check({"network.pods": [{"cidr": "fd44::/56"}, {"cidr": "10.244.0.0/16"}]}, primary="ipv6") == {}


class TestServiceOrder:
    """service-order: the primary family first."""

    def test_the_other_order_is_refused(self, check: Check) -> None:
        """First service range, advertise address and first node address are of one family (kubeadm#2754)."""
        assert ("service-order", "network.services") in check({"network.services": ["fd44:0:0:ffff::/112", "10.96.0.0/16"]})

    def test_primary_first_is_accepted(self, check: Check) -> None:
        """IPv6 first if IPv6 is the primary family."""
        assert check({"network.services": ["fd44:0:0:ffff::/112", "10.96.0.0/16"]}, primary="ipv6") == {}


class TestAddressOrder:
    """address-order: the primary family first."""

    def test_the_other_order_is_refused(self, check: Check) -> None:
        """The first node address is of the primary family."""
        assert ("address-order", "hosts[0].addresses") in check({"hosts[0].addresses": ["fd66::11", "198.18.0.11"]})

    def test_primary_first_is_accepted(self, check: Check) -> None:
        """IPv6 first if IPv6 is the primary family."""
        assert check({"hosts[0].addresses": ["fd66::11", "198.18.0.11"]}, primary="ipv6") == {}


class TestPrimaryFamilyUnused:
    """primary-family-unused: a warning."""

    def test_a_family_that_is_not_in_use_gives_a_warning(self, check: Check) -> None:
        """primary_family: ipv4 has no effect in an IPv6 cluster."""
        found = check({"primary_family": "ipv4"}, stack="ipv6")
        assert [problem.severity for problem in found.values()] == ["warning"]
        assert ("primary-family-unused", "primary_family") in found

    def test_the_default_is_accepted(self, check: Check, out: object) -> None:
        """The default gives no warning."""
        assert check({"primary_family": out}, stack="ipv6") == {}
