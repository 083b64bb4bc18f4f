"""Extra settings for kubeadm."""

import pytest

from tests.cluster.rules.conftest import Check


class TestOwnedField:
    """owned-field."""

    @pytest.mark.parametrize(
        ("part", "field", "owner"),
        [
            ("kubelet", "clusterDNS", "network.services"),
            ("kubelet", "clusterDomain", "network.dns_domain"),
            ("kube_proxy", "clusterCIDR", "network.pods"),
            ("kube_proxy", "bindAddress", "stack"),
        ],
    )
    def test_a_field_with_another_owner_is_refused(self, check: Check, part: str, field: str, owner: str) -> None:
        """The message has the owner of the field."""
        assert owner in check({f"kubeadm.{part}": {field: "x"}})["owned-field", f"kubeadm.{part}.{field}"].message

    def test_other_fields_are_accepted(self, check: Check) -> None:
        """Fields of the lab, and common settings."""
        assert check({"kubeadm.kubelet": {"failCgroupV1": False, "maxPods": 200}, "kubeadm.kube_proxy": {"conntrack": {"min": 0}}}) == {}


class TestOwnedArgument:
    """owned-argument."""

    @pytest.mark.parametrize(
        ("component", "name"),
        [
            ("apiserver", "service-cluster-ip-range"),
            ("controller_manager", "node-cidr-mask-size"),
            ("kubelet", "node-ip"),
            ("kubelet", "--node-ip"),
            ("etcd", "listen-client-urls"),
        ],
    )
    def test_an_argument_with_another_owner_is_refused(self, check: Check, component: str, name: str) -> None:
        """With or without dashes."""
        assert "owned-argument" in [code for code, _ in check({f"kubeadm.extra_args.{component}": {name: "x"}})]

    def test_other_arguments_are_accepted(self, check: Check) -> None:
        """Such as audit logs and verbosity."""
        assert check({"kubeadm.extra_args": {"apiserver": {"audit-log-maxage": "30"}, "kubelet": {"v": "2"}}}) == {}


class TestMalformedArgument:
    """malformed-argument."""

    @pytest.mark.parametrize("name", ["--v", "v=2", "audit_log", "", "V 2"])
    def test_other_texts_are_refused(self, check: Check, name: str) -> None:
        """kubeadm adds the dashes."""
        assert [code for code, _ in check({"kubeadm.extra_args": {"scheduler": {name: "2"}}})] == ["malformed-argument"]

    def test_bare_names_are_accepted(self, check: Check) -> None:
        """As --help prints them, without dashes."""
        assert check({"kubeadm.extra_args": {"scheduler": {"kube-api-qps": "50"}}}) == {}


class TestKubeProxyMode:
    """kube-proxy-mode."""

    @pytest.mark.parametrize("mode", ["ipvs", "", 5, None, ["nftables"], {}])
    def test_other_modes_are_refused(self, check: Check, mode: object) -> None:
        """Kubernetes deprecates ipvs."""
        assert ("kube-proxy-mode", "kubeadm.kube_proxy.mode") in check({"kubeadm.kube_proxy": {"mode": mode}})

    @pytest.mark.parametrize("mode", ["nftables", "iptables"])
    def test_both_modes_are_accepted(self, check: Check, mode: str) -> None:
        """nftables is the default."""
        assert check({"kubeadm.kube_proxy": {"mode": mode}}) == {}


class TestCgroupDriver:
    """cgroup-driver."""

    def test_another_driver_is_refused(self, check: Check) -> None:
        """containerd would get the same driver."""
        assert ("cgroup-driver", "kubeadm.kubelet.cgroupDriver") in check({"kubeadm.kubelet": {"cgroupDriver": "none"}})

    def test_cgroupfs_is_accepted(self, check: Check) -> None:
        """Hosts without systemd's cgroups need it."""
        assert check({"kubeadm.kubelet": {"cgroupDriver": "cgroupfs"}}) == {}


class TestMalformedPreflightCheck:
    """malformed-preflight-check."""

    @pytest.mark.parametrize("names", [["all", "Swap"], ["a b"], [""], ["[ERROR Swap]"]])
    def test_other_lists_are_refused(self, check: Check, names: list[str]) -> None:
        """`all` cannot be combined with names."""
        assert {code for code, _ in check({"kubeadm.ignore_preflight": names})} == {"malformed-preflight-check"}

    @pytest.mark.parametrize("names", [["all"], ["Swap", "NumCPU"], ["FileContent--proc-sys-net-ipv4-ip_forward"]])
    def test_names_are_accepted(self, check: Check, names: list[str]) -> None:
        """As kubeadm prints them."""
        assert check({"kubeadm.ignore_preflight": names}) == {}
