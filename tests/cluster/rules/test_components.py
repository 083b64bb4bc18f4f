"""Fields of the kubelet's and kube-proxy's configuration."""

from collections.abc import Mapping

import pytest

from tests.cluster.rules.conftest import Check


class TestUnknownComponentField:
    """unknown-component-field."""

    @pytest.mark.parametrize(
        ("part", "value", "path", "near"),
        [
            ("kubelet", {"maxPod": 5}, "kubeadm.kubelet.maxPod", "maxPods"),
            ("kubelet", {"authentication": {"anonymous": {"enable": True}}}, "kubeadm.kubelet.authentication.anonymous.enable", "enabled"),
            ("kube_proxy", {"conntrack": {"maxPerCores": 0}}, "kubeadm.kube_proxy.conntrack.maxPerCores", "maxPerCore"),
        ],
    )
    def test_a_misspelt_field_is_refused_with_the_nearest_name(
        self, check: Check, part: str, value: Mapping[str, object], path: str, near: str
    ) -> None:
        """kubeadm would fail with `strict decoding error: unknown field`, after the hosts were prepared."""
        assert near in check({f"kubeadm.{part}": value})["unknown-component-field", path].hint

    def test_fields_depend_on_the_minor_of_the_file(self, check: Check) -> None:
        """Kubernetes 1.37 added defaultPodSysctls; older kubeadm refuses it."""
        kubelet: dict[str, dict[str, object]] = {"kubeadm.kubelet": {"defaultPodSysctls": {"net.ipv4.ip_unprivileged_port_start": "0"}}}
        refused = check({"kubernetes_version": "1.36.3", **kubelet})["unknown-component-field", "kubeadm.kubelet.defaultPodSysctls"]
        assert "1.36" in refused.message
        kubelet["kubeadm.kubelet"] |= {"featureGates": {"DefaultPodSysctls": True}}
        assert check({"kubernetes_version": "1.37.2", **kubelet}) == {}

    def test_known_fields_are_accepted(self, check: Check) -> None:
        """At the top level and in nested mappings."""
        kubelet = {
            "maxPods": 200,
            "authentication": {"anonymous": {"enabled": False}},
            "featureGates": {"X": True},
            "evictionHard": {"memory.available": "1%"},
        }
        assert check({"kubeadm.kubelet": kubelet, "kubeadm.kube_proxy": {"nodePortAddresses": ["primary"]}}) == {}


class TestComponentFieldType:
    """component-field-type."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("maxPods", "200"),
            ("maxPods", 2**31),
            ("maxPods", 1.5),
            ("failSwapOn", "false"),
            ("resolvConf", 5),
            ("evictionHard", {"memory.available": 100}),
            ("syncFrequency", 10),
            ("syncFrequency", "10"),
            ("featureGates", {"X": "true"}),
            ("authentication", True),
            ("tlsCipherSuites", "x"),
            ("tlsCurvePreferences", ["x"]),
            ("memoryThrottlingFactor", True),
            ("logging", {"verbosity": "x"}),
            ("logging", {"flushFrequency": "x"}),
            ("logging", {"vmodule": ["x"]}),
            ("logging", {"vmodule": [{"filePattern": 5}]}),
            ("logging", {"options": {"json": {"infoBufferSize": "x"}}}),
            ("shutdownGracePeriodByPodPriority", [{"priority": "x"}]),
            ("reservedMemory", [{"numaNode": 0, "limits": {"memory": "x"}}]),
            ("staticPodURLHeader", {"a": "b"}),
            ("reservedMemory", {}),
        ],
    )
    def test_a_value_of_another_type_is_refused(self, check: Check, field: str, value: object) -> None:
        """Go cannot decode it."""
        assert [code for code, _ in check({"kubeadm.kubelet": {field: value}})] == ["component-field-type"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("maxPods", 200),
            ("maxPods", None),
            ("podPidsLimit", 2**40),
            ("syncFrequency", "1h30.5m"),
            ("syncFrequency", "0"),
            ("memoryThrottlingFactor", 1),
            ("logging", {"verbosity": 5, "flushFrequency": "5s"}),
            ("tlsCurvePreferences", [29]),
        ],
    )
    def test_a_value_of_its_type_is_accepted(self, check: Check, field: str, value: object) -> None:
        """null means the default."""
        assert check({"kubeadm.kubelet": {field: value}}) == {}


class TestComponentFieldValue:
    """component-field-value."""

    @pytest.mark.parametrize(
        ("part", "value", "path"),
        [
            ("kube_proxy", {"metricsBindAddress": "fd66::1:10249"}, "metricsBindAddress"),
            ("kube_proxy", {"healthzBindAddress": "10256"}, "healthzBindAddress"),
            ("kube_proxy", {"nodePortAddresses": ["x"]}, "nodePortAddresses[0]"),
            ("kube_proxy", {"conntrack": {"udpTimeout": "-5s"}}, "conntrack.udpTimeout"),
            ("kubelet", {"imageGCHighThresholdPercent": 101}, "imageGCHighThresholdPercent"),
            ("kubelet", {"evictionHard": {"memory.available": "x"}}, 'evictionHard["memory.available"]'),
            ("kubelet", {"topologyManagerPolicy": "x"}, "topologyManagerPolicy"),
            ("kubelet", {"logging": {"vmodule": [{"filePattern": "a=b", "verbosity": 1}]}}, "logging.vmodule[0].filePattern"),
            ("kubelet", {"reservedMemory": [{"numaNode": 0, "limits": {"cpu": "1"}}]}, "reservedMemory[0].limits.cpu"),
        ],
    )
    def test_a_value_that_the_component_refuses(self, check: Check, part: str, value: Mapping[str, object], path: str) -> None:
        """It would end when it starts, after the hosts were changed."""
        assert list(check({f"kubeadm.{part}": value})) == [("component-field-value", f"kubeadm.{part}.{path}")]

    @pytest.mark.parametrize(
        ("part", "value"),
        [
            ("kube_proxy", {"metricsBindAddress": "[fd66::1]:10249", "healthzBindAddress": "0.0.0.0:10256"}),
            ("kube_proxy", {"nodePortAddresses": ["198.18.0.0/24", "fd66::/64"]}),
            ("kubelet", {"nodeLeaseDurationSeconds": 0, "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%"}}),
        ],
    )
    def test_a_value_that_the_component_accepts(self, check: Check, part: str, value: Mapping[str, object]) -> None:
        """0 is the default."""
        assert check({f"kubeadm.{part}": value}) == {}
