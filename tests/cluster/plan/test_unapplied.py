"""Settings that a running cluster does not take are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.facts.cluster_state import ClusterState
from cluster.kubeadm.documents import cluster_configuration, kube_proxy_configuration, kubelet_configuration
from cluster.plan.unapplied import unapplied
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from tests.cluster.plan.test_immutable import SPEC, changed


def made_of(spec: ClusterSpec) -> ClusterState:
    """A cluster that this file made."""
    upstreams = tuple(f"{address}:53" for address in spec.network.dns_upstreams) or ("/etc/resolv.conf",)
    return ClusterState(
        kubeadm=cluster_configuration(ResolvedSpec.of(spec)),
        kubelet=kubelet_configuration(spec),
        kube_proxy=kube_proxy_configuration(spec),
        dns_upstreams=upstreams,
    )


def unapplied_of(spec: ClusterSpec, state: ClusterState) -> Iterator[str]:
    """unapplied() for a file that names all addresses."""
    return unapplied(ResolvedSpec.of(spec), state)


def test_the_same_file_has_nothing_to_tell() -> None:
    """Nor has a cluster whose configuration is not known."""
    assert list(unapplied_of(SPEC, made_of(SPEC))) == []
    assert list(unapplied_of(changed("control_plane", to={"extra_sans": ["k8s.example"]}), ClusterState())) == []
    assert list(unapplied_of(changed("kubeadm", "kubelet", to={"maxPods": 50}), ClusterState())) == []


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (("kubeadm", "extra_args"), {"apiserver": {"v": "4"}}, "kubeadm.extra_args.apiserver differs from the running cluster in v"),
        (("kubeadm", "extra_args"), {"etcd": {"snapshot-count": "5000"}}, "in snapshot-count"),
        (
            ("kubeadm", "extra_volumes"),
            {"apiserver": [{"name": "audit", "host_path": "/var/log/kubernetes"}]},
            "kubeadm.extra_volumes.apiserver differs from the running cluster in audit",
        ),
        (("control_plane", "extra_sans"), ["k8s.example"], "the API server's certificate lacks k8s.example"),
        (("kubeadm", "kubelet"), {"maxPods": 50}, "kubeadm.kubelet differs from the running cluster in maxPods"),
        (
            ("kubeadm", "kube_proxy"),
            {"nftables": {"syncPeriod": "7s"}},
            "kubeadm.kube_proxy differs from the running cluster in nftables",
        ),
        (("network", "dns_upstreams"), ["192.0.2.53"], "192.0.2.53:53 and CoreDNS forwards to /etc/resolv.conf"),
    ],
    ids=["argument", "etcd", "volume", "name", "kubelet", "kube-proxy", "upstream"],
)
def test_a_changed_setting_that_only_init_reads_is_noted(path: tuple[str, ...], to: Any, told: str) -> None:
    """One sentence has the setting and the difference; the file that made the cluster gives no note."""
    later = changed(*path, to=to)
    (sentence,) = unapplied_of(later, made_of(SPEC))
    assert told in sentence
    assert list(unapplied_of(later, made_of(later))) == []
    if path == ("kubeadm", "extra_args"):
        (sentence,) = unapplied_of(SPEC, made_of(later))
        assert told in sentence


def test_what_kubeadm_writes_its_own_way_is_the_same() -> None:
    """Durations in other units, and defaults that it fills in beside what was asked for."""
    later = changed(
        "kubeadm", "kubelet", to={"syncFrequency": "60s", "memorySwap": {"swapBehavior": "NoSwap"}, "allowedUnsafeSysctls": ["net.*"]}
    )
    held = kubelet_configuration(SPEC) | {
        "syncFrequency": "1m0s",
        "memorySwap": {"swapBehavior": "NoSwap", "more": 1},
        "allowedUnsafeSysctls": ["net.*"],
    }
    assert list(unapplied_of(later, ClusterState(kubelet=held))) == []
    (sentence,) = unapplied_of(later, ClusterState(kubelet={**held, "syncFrequency": "61s", "allowedUnsafeSysctls": []}))
    assert "in allowedUnsafeSysctls, syncFrequency" in sentence
