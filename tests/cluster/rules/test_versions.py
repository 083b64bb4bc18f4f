"""Versions of Kubernetes."""

from collections.abc import Callable

import pytest

from cluster.file.reader import read_document
from cluster.rules.versions import bundle_problems, image_problems
from cluster.vocabulary.problems import Severity
from tests.cluster.rules.conftest import Check, Document


class TestKubernetesVersionUnsupported:
    """kubernetes-version-unsupported."""

    @pytest.mark.parametrize("version", ["1.33.9", "1.37.0", "v2.0.0", "0.36.3"])
    def test_other_versions_are_refused(self, check: Check, version: str) -> None:
        """Older than what Kubernetes mends, newer than what was tried."""
        assert ("kubernetes-version-unsupported", "kubernetes_version") in check({"kubernetes_version": version})

    @pytest.mark.parametrize("version", ["1.34.0", "v1.36.3", "1.35.12"])
    def test_the_window_is_accepted(self, check: Check, version: str) -> None:
        """With or without its v."""
        assert check({"kubernetes_version": version}) == {}


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


class TestImageNotInBundle:
    """image-not-in-bundle."""

    def test_an_image_that_hosts_must_pull_is_warned_of(self) -> None:
        """Each by its name; hosts without a way out would wait for it in vain."""
        (problem,) = image_problems(["a.example/net:v1", "b.example/held:v1"], ["b.example/held:v1", "b.example/other:v1"])
        assert "a.example/net:v1" in problem.message
        assert problem.severity is Severity.WARNING
