"""Versions of Kubernetes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.problems import Problem, Severity, Violation
from cluster.vocabulary.releases import (
    NEWEST_MINOR,
    OLDEST_MINOR,
    RELEASES,
    exact_release,
    minor_of,
    minor_text,
    release_of_minor,
)
from cluster.vocabulary.spec import ClusterSpec


@spec_rule("kubernetes-version-unsupported")
def version_is_supported(spec: ClusterSpec) -> Iterator[Violation]:
    """The Kubernetes version is outside the supported window."""
    if release_of_minor(spec.version) is None:
        message = f"{spec.version} is not within v{minor_text(OLDEST_MINOR)} to v{minor_text(NEWEST_MINOR)}"
        supported = ", ".join(release.kubernetes for release in RELEASES)
        yield Violation(
            "kubernetes_version",
            message,
            f"write the version of your artifact bundle (`sixstack bundle show`): {supported}, or another patch release of these",
            remove("kubernetes_version"),
        )


def bundle_problems(spec: ClusterSpec, bundle_version: str) -> tuple[Problem, ...]:
    """The version must be the version of the bundle, because hosts get only files of the bundle. Control plane and workers cannot differ.

    Code `kubernetes-version-not-in-bundle`; `bundle_version` can have a leading v.
    """
    bundled = bundle_version.removeprefix("v")
    if spec.version == f"v{bundled}":
        return ()
    message = f"the file has {spec.version}, but the bundle has v{bundled}"
    hint = f'write kubernetes_version: "{bundled}", or {_bundle_hint(spec.version.removeprefix("v"))}'
    return (Problem("kubernetes-version-not-in-bundle", "kubernetes_version", message, hint),)


def _bundle_hint(version: str) -> str:
    """How to get a bundle of this version, or a version that `sixstack bundle fetch` supports."""
    if exact_release(version):
        return f"run `sixstack bundle fetch --kubernetes {version}` and write its folder into the Artifact bundle block"
    supported = ", ".join(release.kubernetes for release in RELEASES)
    release = release_of_minor(version)
    if release is None:
        return (
            f"a version that `sixstack bundle fetch --kubernetes` supports: {supported} ({minor_text(minor_of(version))} is not supported)"
        )
    return (
        f"{release.kubernetes}, the release of {minor_text(release.minor)} that `sixstack bundle fetch --kubernetes {release.kubernetes}` supports; "
        f"for {version}, build your own bundle"
    )


def image_problems(network_images: Collection[str], bundle_images: Collection[str]) -> tuple[Problem, ...]:
    """Warning `image-not-in-bundle` for each image of the pod network that the bundle does not contain. Hosts pull it over a family that they have."""
    hint = "make sure that every host can reach its registry or a mirror (`images: mirrors`), over IPv6 if the hosts have no IPv4"
    return tuple(
        Problem("image-not-in-bundle", "cni", f"the bundle does not contain {image}, so hosts pull it", hint, Severity.WARNING)
        for image in sorted(set(network_images) - set(bundle_images))
    )
