"""Settings that a running control plane does not take are told."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.kubeadm import cluster_configuration
from cluster.unapplied import unapplied
from tests.cluster.test_immutable import SPEC, changed


def test_the_same_file_has_nothing_to_tell() -> None:
    """Nor has a cluster whose configuration is not known."""
    assert list(unapplied(SPEC, cluster_configuration(SPEC))) == []
    assert list(unapplied(changed("control_plane", to={"extra_sans": ["k8s.example"]}), {})) == []


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (("kubeadm", "extra_args"), {"apiserver": {"v": "4"}}, "kubeadm.extra_args.apiserver differs from the running cluster's in v"),
        (("kubeadm", "extra_args"), {"etcd": {"snapshot-count": "5000"}}, "in snapshot-count"),
        (("control_plane", "extra_sans"), ["k8s.example"], "the API server's certificate lacks k8s.example"),
    ],
    ids=["argument", "etcd", "name"],
)
def test_what_init_alone_reads_is_told(path: tuple[str, ...], to: Any, told: str) -> None:
    """One sentence names the setting and what differs, whichever of the two has more."""
    later = changed(*path, to=to)
    (sentence,) = unapplied(later, cluster_configuration(SPEC))
    assert told in sentence
    if path == ("kubeadm", "extra_args"):
        (sentence,) = unapplied(SPEC, cluster_configuration(later))
        assert told in sentence
