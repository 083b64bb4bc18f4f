"""The table of Kubernetes releases."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest

from cluster.vocabulary.releases import (
    DEFAULT_RELEASE,
    NEWEST_MINOR,
    OLDEST_MINOR,
    RELEASES,
    exact_release,
    minor_of,
    minor_text,
    release_for,
    release_of_minor,
)
from cluster.vocabulary.spec import ClusterSpec


def test_each_minor_has_one_release_and_none_is_left_out() -> None:
    """Oldest first, without gaps, because every accepted version must be available."""
    minors = [release.minor for release in RELEASES]
    assert minors == [(1, number) for number in range(OLDEST_MINOR[1], NEWEST_MINOR[1] + 1)]


def test_versions_have_no_leading_v() -> None:
    """Callers add the v."""
    for release in RELEASES:
        assert all(re.match(r"[0-9]", version) for version in asdict(release).values())
        assert release.etcd_image.startswith(f"{release.etcd}-")


def test_the_default_version_is_the_default_release() -> None:
    """For a cluster file without version."""
    assert ClusterSpec.model_fields["kubernetes_version"].default == DEFAULT_RELEASE.kubernetes
    assert DEFAULT_RELEASE in RELEASES


@pytest.mark.parametrize(
    ("version", "exact", "of_minor"), [("1.37.2", "1.37.2", "1.37.2"), ("v1.35.9", None, "1.35.4"), ("1.34.4", None, None)]
)
def test_a_version_is_looked_up(version: str, exact: str | None, of_minor: str | None) -> None:
    """By exact version, and by minor."""
    found, near = exact_release(version), release_of_minor(version)
    assert (found and found.kubernetes) == exact
    assert (near and near.kubernetes) == of_minor
    assert release_for(version) == (near or DEFAULT_RELEASE)


def test_minor_text() -> None:
    """1.36, not (1, 36)."""
    assert minor_text(minor_of("v1.36.3")) == "1.36"
