"""Versions of Kubernetes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cluster.rules.registry import spec_rule
from cluster.vocabulary.problems import Problem, Severity, Violation
from cluster.vocabulary.spec import ClusterSpec

# The releases that Kubernetes itself still mends. All have kubeadm v1beta4 (1.31) and kube-proxy's nftables mode (1.33).
OLDEST, NEWEST = (1, 34), (1, 36)


@spec_rule("kubernetes-version-unsupported")
def version_is_supported(spec: ClusterSpec) -> Iterator[Violation]:
    """The Kubernetes version is outside the supported window."""
    minor = _numbers(spec.version)[:2]
    if not OLDEST <= minor <= NEWEST:
        says = f"{spec.version} is not within v{OLDEST[0]}.{OLDEST[1]} to v{NEWEST[0]}.{NEWEST[1]}"
        yield Violation("kubernetes_version", says, "use the version of your artifact bundle (`sixstack bundle show`)")


def bundle_problems(spec: ClusterSpec, bundle_version: str) -> tuple[Problem, ...]:
    """The version is that of the bundle, whose files are all that hosts get: control plane and workers cannot differ.

    Code `kubernetes-version-not-in-bundle`; `bundle_version` with or without its v.
    """
    if _numbers(spec.version) == _numbers(bundle_version):
        return ()
    held = bundle_version.removeprefix("v")
    says = f"{spec.version} is asked for, the bundle holds v{held}"
    hint = f'write kubernetes_version: "{held}", or name a bundle of {spec.version}'
    return (Problem("kubernetes-version-not-in-bundle", "kubernetes_version", says, hint),)


def image_problems(network_images: Collection[str], bundle_images: Collection[str]) -> tuple[Problem, ...]:
    """Warning `image-not-in-bundle` for each image of the pod network that the bundle has not: hosts pull it, over the family that they have."""
    hint = "its registry, or a mirror (`images: mirrors`), must answer every host, over IPv6 where hosts have no IPv4"
    return tuple(
        Problem("image-not-in-bundle", "cni", f"the bundle does not hold {image}: hosts pull it", hint, Severity.WARNING)
        for image in sorted(set(network_images) - set(bundle_images))
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").split("."))
