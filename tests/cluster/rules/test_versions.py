"""Versions of Kubernetes."""

from collections.abc import Callable

import pytest

from cluster.file.reader import read_document
from cluster.rules.versions import bundle_problems, image_problems
from cluster.vocabulary.problems import Severity
from tests.cluster.rules.conftest import Check, Document


class TestKubernetesVersionUnsupported:
    """kubernetes-version-unsupported."""

    @pytest.mark.parametrize("version", ["1.34.4", "1.38.0", "v2.0.0", "0.36.3"])
    def test_other_versions_are_refused(self, check: Check, version: str) -> None:
        """A minor that the table of releases does not have."""
        assert ("kubernetes-version-unsupported", "kubernetes_version") in check({"kubernetes_version": version})

    @pytest.mark.parametrize("version", ["1.35.0", "v1.36.3", "1.37.12"])
    def test_supported_minors_are_accepted(self, check: Check, version: str) -> None:
        """Any patch release of a supported minor, with or without its v."""
        assert check({"kubernetes_version": version}) == {}


class TestLeadingZeros:
    """Versions, ports, prefix lengths and arguments with leading zeros, which other programs refuse or read as octal numbers."""

    @pytest.mark.parametrize("version", ["1.36.03", "1.036.3", "01.36.3", "v1.36.00"])
    def test_a_version_with_leading_zeros_is_refused(self, check: Check, version: str) -> None:
        """kubeadm refuses it, after the hosts were prepared."""
        assert ("malformed", "kubernetes_version") in check({"kubernetes_version": version})
        assert ("malformed", "cni.version") in check({"cni": {"version": version}})

    @pytest.mark.parametrize(
        ("path", "value", "code"),
        [
            ("network.pods[0].cidr", "10.244.0.0/016", "not-a-network"),
            ("network.services[0]", "10.96.0.0/016", "not-a-network"),
            ("hosts[0].addresses[0]", "198.18.0.011", "not-an-address"),
            ("hosts[0].ssh.port", "022", "wrong-type"),
            ("images.repository", "registry.example.org:05000/k8s", "malformed-image-repository"),
            ("control_plane.endpoint", "api.example.org:06443", "malformed-endpoint"),
            ("proxy.http", "http://proxy.example.org:03128", "malformed-proxy"),
            ("cni", {"kind": "calico", "images": {"calico-node": "registry.example.org:05000/node:v1"}}, "malformed"),
        ],
    )
    def test_other_numbers_with_leading_zeros_are_refused(self, check: Check, path: str, value: object, code: str) -> None:
        """Each with the code of its field."""
        assert code in {code for code, _ in check({path: value})}

    def test_the_hint_has_the_number_without_zeros(self, check: Check) -> None:
        """`022` without quotes is a string for YAML too, so removing the quotes does not help."""
        assert "write 22," in check({"hosts[0].ssh.port": "022"})["wrong-type", "hosts[0].ssh.port"].hint
        assert "use 10.96.0.0/16" in check({"network.services[0]": "10.96.0.0/016"})["not-a-network", "network.services[0]"].hint


class TestBundleVersion:
    """kubernetes-version-not-in-bundle."""

    def test_another_version_than_the_bundles_is_refused(self, good: Callable[..., Document]) -> None:
        """The hint has the bundle's version."""
        spec = read_document(good()).spec
        assert spec is not None
        (problem,) = bundle_problems(spec, "v1.36.2")
        assert problem.code == "kubernetes-version-not-in-bundle"
        assert '"1.36.2"' in problem.hint

    def test_the_bundles_version_is_accepted(self, good: Callable[..., Document]) -> None:
        """With or without its v."""
        spec = read_document(good()).spec
        assert spec is not None
        assert bundle_problems(spec, "1.36.3") == bundle_problems(spec, "v1.36.3") == ()

    @pytest.mark.parametrize(
        ("version", "values"),
        [
            ("1.37.2", ("`sixstack bundle fetch --kubernetes 1.37.2`",)),
            ("v1.35.4", ("`sixstack bundle fetch --kubernetes 1.35.4`",)),
            (
                "1.37.9",
                ("`sixstack bundle fetch --kubernetes 1.37.2`", "1.37.9"),
            ),
            ("1.33.1", ("`sixstack bundle fetch --kubernetes`", "1.35.4, 1.36.3, 1.37.2", "1.33")),
        ],
    )
    def test_the_hint_names_the_command_that_fetches_the_bundle(
        self, good: Callable[..., Document], version: str, values: tuple[str, ...]
    ) -> None:
        """The exact command if the table has the version; otherwise the supported versions."""
        spec = read_document(good()).spec
        assert spec is not None
        (problem,) = bundle_problems(spec.model_copy(update={"kubernetes_version": version}), "1.36.3")
        assert all(value in problem.hint for value in ('kubernetes_version: "1.36.3"', *values))


class TestImageNotInBundle:
    """image-not-in-bundle."""

    def test_an_image_that_is_not_in_the_bundle_gives_a_warning(self) -> None:
        """One warning per image."""
        (problem,) = image_problems(["a.example/net:v1", "b.example/held:v1"], ["b.example/held:v1", "b.example/other:v1"])
        assert "a.example/net:v1" in problem.message
        assert problem.severity is Severity.WARNING
