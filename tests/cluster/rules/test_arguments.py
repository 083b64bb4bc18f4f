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
