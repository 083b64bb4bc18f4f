"""Sizes of ranges."""

from collections.abc import Callable, Mapping
from ipaddress import ip_network

import pytest

from cluster.vocabulary.problems import Severity
from tests.cluster.rules.conftest import Check, Document


class TestServiceRangeTooLarge:
    """service-range-too-large: at most 20 host bits."""

    @pytest.mark.parametrize(("index", "cidr", "proposal"), [(0, "10.0.0.0/11", "10.96.0.0/16"), (1, "fd45::/107", "fd44:0:0:ffff::/112")])
    def test_21_host_bits_are_refused(self, check: Check, index: int, cidr: str, proposal: str) -> None:
        """kube-apiserver refuses /11 and /107. The hint has a valid range."""
        assert proposal in check({f"network.services[{index}]": cidr})["service-range-too-large", f"network.services[{index}]"].hint

    @pytest.mark.parametrize(("index", "cidr"), [(0, "10.16.0.0/12"), (1, "fd45::/108")])
    def test_20_host_bits_are_accepted(self, check: Check, index: int, cidr: str) -> None:
        """/12 and /108 are the largest ranges that kube-apiserver accepts."""
        assert check({f"network.services[{index}]": cidr}) == {}


class TestServiceRangeTooSmall:
    """service-range-too-small: at least 10 addresses."""

    @pytest.mark.parametrize(
        ("index", "cidr", "proposal"), [(0, "10.96.0.8/29", "10.96.0.0/16"), (1, "fd45::8/125", "fd44:0:0:ffff::/112")]
    )
    def test_8_addresses_are_refused(self, check: Check, index: int, cidr: str, proposal: str) -> None:
        """The DNS service needs the tenth address."""
        assert proposal in check({f"network.services[{index}]": cidr})["service-range-too-small", f"network.services[{index}]"].hint

    @pytest.mark.parametrize(("index", "cidr"), [(0, "10.96.0.0/28"), (1, "fd45::/124")])
    def test_16_addresses_are_accepted(self, check: Check, index: int, cidr: str) -> None:
        """/28 and /124 have a tenth address."""
        assert check({f"network.services[{index}]": cidr}) == {}


class TestNodeMaskTooLong:
    """node-mask-too-long: at least 14 addresses per node."""

    @pytest.mark.parametrize(("index", "cidr", "mask"), [(0, "10.244.0.0/24", 29), (0, "10.244.0.0/24", 33), (1, "fd44::/112", 125)])
    def test_fewer_than_14_addresses_a_node_are_refused(self, check: Check, index: int, cidr: str, mask: int) -> None:
        """/29 and /125 have 8 addresses. 33 is not a valid IPv4 mask."""
        found = check({f"network.pods[{index}]": {"cidr": cidr, "node_mask": mask}})
        assert ("node-mask-too-long", f"network.pods[{index}].node_mask") in found

    @pytest.mark.parametrize(("index", "cidr", "mask"), [(0, "10.244.0.0/24", 28), (1, "fd44::/112", 124)])
    def test_16_addresses_a_node_are_accepted(self, check: Check, index: int, cidr: str, mask: int) -> None:
        """/28 and /124 have 16 addresses."""
        assert check({f"network.pods[{index}]": {"cidr": cidr, "node_mask": mask}, "kubeadm.kubelet.maxPods": 13}) == {}


class TestNodeMaskTooShort:
    """node-mask-too-short: the range of a node is a part of the pod CIDR."""

    def test_the_default_mask_of_a_long_range_is_refused(self, check: Check) -> None:
        """A /25 contains no /24. The hint has a node mask that fits."""
        hint = check({"network.pods[0].cidr": "10.244.0.0/25"})["node-mask-too-short", "network.pods[0].node_mask"].hint
        assert "node_mask: 28" in hint

    def test_a_mask_inside_is_accepted(self, check: Check) -> None:
        """A /25 contains eight /28."""
        assert check({"network.pods[0]": {"cidr": "10.244.0.0/25", "node_mask": 28}, "kubeadm.kubelet.maxPods": 13}) == {}


class TestNodeMaskTooFar:
    """node-mask-too-far: at most 16 bits (kubernetes#112367)."""

    def test_17_bits_are_refused(self, check: Check) -> None:
        """The default node mask /64 is 17 bits longer than /47. The hint has both solutions."""
        hint = check({"network.pods[1].cidr": "fd44::/47"})["node-mask-too-far", "network.pods[1].node_mask"].hint
        assert "fd44::/56" in hint
        assert "node_mask: 55" in hint

    def test_16_bits_are_accepted(self, check: Check) -> None:
        """/48 with /64 is the largest IPv6 pod range of the default node mask."""
        assert check({"network.pods[1].cidr": "fd44::/48", "network.services[1]": "fd45::/112"}) == {}


class TestPodRangeTooSmall:
    """pod-range-too-small: a node range for each host."""

    def test_a_64_has_one_node_range(self, check: Check) -> None:
        """A /64 with the default node mask has one node range. The hint has a large enough range and a node mask."""
        problem = check({"network.pods[1].cidr": "fd44::/64"})["pod-range-too-small", "network.pods[1].cidr"]
        assert "one node range" in problem.message
        assert "fd44::/56" in problem.hint
        assert "node_mask: 72" in problem.hint

    @pytest.mark.parametrize(("cidr", "mask"), [("fd44::/62", 64), ("fd44::/64", 66), ("fd44::/64", 72), ("fd44::/64", 80)])
    def test_the_values_of_the_hint_are_accepted(self, check: Check, cidr: str, mask: int) -> None:
        """Both values of the hint are enough for three hosts."""
        assert check({"network.pods[1]": {"cidr": cidr, "node_mask": mask}}) == {}

    def test_the_boundary_is_the_number_of_hosts(self, check: Check, good: Callable[..., Document]) -> None:
        """Four node ranges are enough for four hosts, not for five."""
        host = good()["hosts"][1]
        more = [{**host, "name": f"more-{n}", "addresses": [], "ssh": {**host["ssh"], "address": f"198.18.0.2{n}"}} for n in (1, 2)]
        pods = {"network.pods[0].cidr": str(ip_network("10.244.0.0/22"))}
        assert check({**pods, "hosts": [*good()["hosts"], more[0]]}) == {}
        assert ("pod-range-too-small", "network.pods[0].cidr") in check({**pods, "hosts": [*good()["hosts"], *more]})


class TestMaxPodsAboveRange:
    """max-pods-above-range: a warning, for each family."""

    @pytest.mark.parametrize(
        ("pods", "usable"),
        [
            ({"cidr": "10.244.0.0/16", "node_mask": 24}, 253),
            ({"cidr": "10.244.0.0/16", "node_mask": 26}, 61),
            ({"cidr": "10.244.0.0/20", "node_mask": 28}, 13),
        ],
    )
    def test_flannel_has_the_range_of_the_node_without_three_addresses(self, check: Check, pods: Mapping[str, object], usable: int) -> None:
        """host-local assigns neither the first address, nor the gateway, nor the broadcast address."""
        at = ("max-pods-above-range", "kubeadm.kubelet.maxPods")
        assert at in check({"network.pods[0]": pods, "kubeadm.kubelet.maxPods": usable + 1})
        assert check({"network.pods[0]": pods, "kubeadm.kubelet.maxPods": usable}) == {}

    def test_ipv6_has_no_broadcast_address(self, check: Check) -> None:
        """16 addresses, without the first and the gateway."""
        pods = {"network.pods[1]": {"cidr": "fd44::/112", "node_mask": 124}}
        assert check({**pods, "kubeadm.kubelet.maxPods": 14}) == {}
        (((code, _), problem),) = check({**pods, "kubeadm.kubelet.maxPods": 15}).items()
        assert (code, problem.severity) == ("max-pods-above-range", Severity.WARNING)
        assert "fd44::/112" in problem.message

    def test_the_default_of_the_kubelet_is_judged_too(self, check: Check) -> None:
        """110 pods, where the file has no limit. Both values of the hint are accepted."""
        pods = {"cidr": "10.244.0.0/16", "node_mask": 26}
        problem = check({"network.pods[0]": pods})["max-pods-above-range", "network.pods[0].node_mask"]
        assert "maxPods: 61" in problem.hint
        assert "node_mask: 25" in problem.hint
        assert check({"network.pods[0]": {**pods, "node_mask": 25}}) == {}

    def test_the_argument_of_the_kubelet_overrides_its_field(self, check: Check) -> None:
        """As in the kubelet. The field is then not judged."""
        changes = {"kubeadm.kubelet.maxPods": 500, "kubeadm.extra_args.kubelet": {"max-pods": "110"}}
        assert check(changes) == {}
        changes = {"kubeadm.kubelet.maxPods": 110, "kubeadm.extra_args.kubelet": {"max-pods": "500"}}
        assert list(check(changes)) == [("max-pods-above-range", "kubeadm.extra_args.kubelet.max-pods")]

    def test_no_node_mask_is_proposed_that_leaves_hosts_without_a_range(self, check: Check) -> None:
        """500 pods need /23, and a /24 has one range of this size for three hosts."""
        changes = {"network.pods[0]": {"cidr": "10.244.0.0/22", "node_mask": 24}, "kubeadm.kubelet.maxPods": 600}
        assert "node_mask" not in check(changes)["max-pods-above-range", "kubeadm.kubelet.maxPods"].hint

    def test_calico_has_20_blocks_and_shares_the_pool(self, check: Check) -> None:
        """Whatever the node mask is, because Calico does not use it. VXLAN has one of the addresses."""
        calico = {"cni.kind": "calico", "network.pods[0]": {"cidr": "10.244.0.0/16", "node_mask": 28}}
        assert check(calico) == {}
        assert check({**calico, "kubeadm.kubelet.maxPods": 1279}) == {}
        assert (
            "1279 addresses"
            in check({**calico, "kubeadm.kubelet.maxPods": 1280})["max-pods-above-range", "kubeadm.kubelet.maxPods"].message
        )
        blocks = {**calico, "cni.pools.ipv4.block_size": 31}
        assert "block_size" in check(blocks)["max-pods-above-range", "network.pods[0].cidr"].hint
        small = {**calico, "network.pods[0]": {"cidr": "10.244.0.0/24", "node_mask": 26}}
        assert "84 addresses" in check(small)["max-pods-above-range", "network.pods[0].cidr"].message

    def test_an_unknown_plug_in_is_not_judged(self, check: Check) -> None:
        """Its address management is its own."""
        assert check({"cni.kind": "none", "kubeadm.kubelet.maxPods": 5000}) == {}
