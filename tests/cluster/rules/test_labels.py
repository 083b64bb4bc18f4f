"""Labels and taints."""

import pytest

from tests.cluster.rules.conftest import Check


class TestMalformedLabel:
    """malformed-label."""

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("", "x"),
            ("a/b/c", "x"),
            ("Example.org/a", "x"),
            ("a b", "x"),
            ("k" * 64, "x"),
            ("rack", "fd66::1"),
            ("rack", "-"),
            ("rack", "v" * 64),
        ],
    )
    def test_other_texts_are_refused(self, check: Check, key: str, value: str) -> None:
        """The API server would refuse them."""
        assert [code for code, _ in check({"hosts[1].labels": {key: value}})] == ["malformed-label"]

    @pytest.mark.parametrize(
        ("key", "value"), [("rack", ""), ("example.org/Rack_1.a", "R-1"), ("k" * 63, "v" * 63), ("node-role.kubernetes.io/worker", "")]
    )
    def test_qualified_names_are_accepted(self, check: Check, key: str, value: str) -> None:
        """An empty value is a value."""
        assert check({"hosts[1].labels": {key: value}}) == {}


class TestOwnedLabel:
    """owned-label."""

    @pytest.mark.parametrize("key", ["node.sixstack.io/ipv6", "kubernetes.io/hostname", "node-role.kubernetes.io/control-plane"])
    def test_labels_of_kubernetes_are_refused(self, check: Check, key: str) -> None:
        """The kubelet, kubeadm or sixstack would overwrite them."""
        assert [code for code, _ in check({"hosts[1].labels": {key: "x"}})] == ["owned-label"]

    @pytest.mark.parametrize("key", ["topology.kubernetes.io/zone", "node.kubernetes.io/instance-type"])
    def test_topology_labels_are_accepted(self, check: Check, key: str) -> None:
        """Without a cloud provider only the owner sets them."""
        assert check({"hosts[1].labels": {key: "x"}}) == {}

    def test_tkestack_labels_are_refused_when_sixstack_sets_them(self, check: Check) -> None:
        """Otherwise they are ordinary labels."""
        label = {"hosts[1].labels": {"platform.tkestack.io/machine-ip": "198.18.0.12"}}
        assert check(label) == {}
        assert [code for code, _ in check({**label, "tkestack_labels": True})] == ["owned-label"]


class TestTkestackLabelsAlike:
    """tkestack-labels-alike."""

    def test_equal_tkestack_labels_give_a_warning(self, check: Check) -> None:
        """TKEStack's labels encode colons as the letter a."""
        hosts = {"hosts[0].addresses[1]": "fd66::1:1:1", "hosts[2].addresses[1]": "fd66::1a1:1"}
        found = check({**hosts, "tkestack_labels": True})
        assert list(found) == [("tkestack-labels-alike", "hosts[2].addresses[1]")]
        assert found["tkestack-labels-alike", "hosts[2].addresses[1]"].severity == "warning"
        assert check(hosts) == {}

    def test_other_addresses_give_no_warning(self, check: Check) -> None:
        """The hosts of the valid document."""
        assert check({"tkestack_labels": True}) == {}


class TestMalformedTaint:
    """malformed-taint."""

    @pytest.mark.parametrize(("key", "value", "at"), [("a b", "", "key"), ("gpu", "a b", "value")])
    def test_other_texts_are_refused(self, check: Check, key: str, value: str, at: str) -> None:
        """The API server would refuse them."""
        taints = [{"key": key, "value": value, "effect": "NoSchedule"}]
        assert ("malformed-taint", f"hosts[1].taints[0].{at}") in check({"hosts[1].taints": taints})

    def test_qualified_names_are_accepted(self, check: Check) -> None:
        """The value is optional."""
        assert check({"hosts[1].taints": [{"key": "example.org/gpu", "effect": "NoExecute"}]}) == {}


class TestOwnedTaint:
    """owned-taint."""

    def test_a_taint_of_the_node_controllers_is_refused(self, check: Check) -> None:
        """The node controllers would remove it."""
        taints = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
        assert ("owned-taint", "hosts[1].taints[0].key") in check({"hosts[1].taints": taints})

    def test_the_control_planes_taint_is_accepted(self, check: Check) -> None:
        """A worker can have it."""
        assert check({"hosts[1].taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]}) == {}


class TestDuplicateTaint:
    """duplicate-taint."""

    def test_a_key_and_effect_twice_are_refused(self, check: Check) -> None:
        """The API server refuses such a node."""
        taints = [{"key": "gpu", "value": value, "effect": "NoSchedule"} for value in ("a", "b")]
        assert ("duplicate-taint", "hosts[1].taints[1]") in check({"hosts[1].taints": taints})

    def test_one_key_with_two_effects_is_accepted(self, check: Check) -> None:
        """These are two different taints."""
        assert check({"hosts[1].taints": [{"key": "gpu", "effect": effect} for effect in ("NoSchedule", "NoExecute")]}) == {}
