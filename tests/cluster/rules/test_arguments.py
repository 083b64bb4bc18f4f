"""Command-line arguments of the components."""

import pytest

from tests.cluster.rules.conftest import Check


class TestArgumentValue:
    """argument-value."""

    @pytest.mark.parametrize(
        ("component", "name", "value"),
        [
            ("apiserver", "profiling", "no"),
            ("apiserver", "audit-log-maxage", "30d"),
            ("apiserver", "request-timeout", "60"),
            ("controller_manager", "concurrent-gc-syncs", ""),
            ("kubelet", "max-pods", "many"),
            ("kubelet", "max-pods", "0110"),
        ],
    )
    def test_a_value_that_cannot_be_parsed_is_refused(self, check: Check, component: str, name: str, value: str) -> None:
        """The component would not start."""
        assert [code for code, _ in check({"kubeadm.extra_args": {component: {name: value}}})] == ["argument-value"]

    @pytest.mark.parametrize(
        ("component", "name", "value"),
        [
            ("apiserver", "profiling", "false"),
            ("apiserver", "audit-log-maxage", "30"),
            ("apiserver", "request-timeout", "1m30s"),
            ("apiserver", "oidc-username-claim", "a b"),
            ("etcd", "quota-backend-bytes", "8589934592"),
        ],
    )
    def test_a_value_of_its_type_is_accepted(self, check: Check, component: str, name: str, value: str) -> None:
        """With the syntax of Go."""
        assert check({"kubeadm.extra_args": {component: {name: value}}}) == {}


class TestUnknownArgument:
    """unknown-argument: a warning."""

    def test_an_unknown_argument_gives_a_warning_with_the_nearest_name(self, check: Check) -> None:
        """The argument can be hidden, so this is only a warning."""
        found = check({"kubeadm.extra_args": {"apiserver": {"audit-log-max-age": "30"}}})
        problem = found["unknown-argument", "kubeadm.extra_args.apiserver.audit-log-max-age"]
        assert problem.severity == "warning"
        assert "audit-log-maxage" in problem.hint

    def test_a_known_argument_is_accepted(self, check: Check) -> None:
        """For each component."""
        arguments = {component: {"v": "2"} for component in ("apiserver", "controller_manager", "scheduler", "kubelet")}
        assert check({"kubeadm.extra_args": {**arguments, "etcd": {"log-level": "warn"}}}) == {}

    def test_arguments_depend_on_the_minor_of_the_file(self, check: Check) -> None:
        """Kubernetes 1.36 added tls-curve-preferences."""
        at = "kubeadm.extra_args.apiserver.tls-curve-preferences"
        arguments = {"apiserver": {"tls-curve-preferences": "X25519"}}
        older = check({"kubernetes_version": "1.35.1", "kubeadm.extra_args": arguments})["unknown-argument", at]
        assert "1.35" in older.message
        assert check({"kubernetes_version": "1.37.2", "kubeadm.extra_args": arguments}) == {}


class TestMalformedNodePortRange:
    """malformed-node-port-range."""

    @pytest.mark.parametrize(
        "text", ["", "30000:32767", "32767-30000", "30000-70000", "30000-", "-5", "1+70000", "x-y", "30000-32767,40000"]
    )
    def test_text_that_is_no_range_is_refused(self, check: Check, text: str) -> None:
        """The API server would not start."""
        found = check({"kubeadm.extra_args": {"apiserver": {"service-node-port-range": text}}})
        assert [code for code, _ in found] == ["malformed-node-port-range"]

    @pytest.mark.parametrize("text", ["20000-22767", "20000+100", "20000", " 20000-22767 "])
    def test_the_forms_of_the_api_server_are_accepted(self, check: Check, text: str) -> None:
        """FIRST-LAST, FIRST+MORE, or one port."""
        assert check({"kubeadm.extra_args": {"apiserver": {"service-node-port-range": text}}}) == {}


class TestNodePortsContainComponentPort:
    """node-ports-contain-component-port."""

    @pytest.mark.parametrize(
        ("text", "named"),
        [("1-32767", "6443 (kube-apiserver)"), ("10000-20000", "10250 (kubelet)"), ("10257+0", "10257 (kube-controller-manager)")],
    )
    def test_a_range_with_a_port_of_a_component_is_refused(self, check: Check, text: str, named: str) -> None:
        """A service could take it away. The range may also contain the port of VXLAN, which is another rule."""
        found = check({"kubeadm.extra_args": {"apiserver": {"service-node-port-range": text}}})
        problem = found["node-ports-contain-component-port", "kubeadm.extra_args.apiserver.service-node-port-range"]
        assert named in problem.message

    def test_the_default_range_may_contain_a_port_of_the_file(self, check: Check) -> None:
        """The API server, or another component."""
        for changes in ({"control_plane": {"bind_port": 30443}}, {"control_plane": {"endpoint": "198.18.0.11:30443"}}):
            ((code, _), problem), *others = check(changes).items()
            assert code == "node-ports-contain-component-port"
            assert "30443 (kube-apiserver)" in problem.message
            assert not others

    def test_the_ports_of_the_file_count(self, check: Check) -> None:
        """The kubelet and the controller manager may have other ports."""
        moved = {"apiserver": {"service-node-port-range": "10250-10257"}, "controller_manager": {"secure-port": "11257"}}
        changes = {
            "kubeadm.extra_args": moved,
            "kubeadm.kubelet": {"port": 11250},
            "kubeadm.kube_proxy": {"healthzBindAddress": "0.0.0.0:11256"},
        }
        assert check(changes) == {}
