"""The origins that a built bundle records."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.manifest import Architecture, Pin
from cluster.vocabulary.cni_kinds import IN_BUNDLES
from cluster.vocabulary.releases import RELEASES, KubernetesRelease
from lab.build.bundle import BundleBuilder
from lab.build.store import Store


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.kubernetes)
def test_a_built_file_names_its_modules_and_packages(tmp_path: Path, release: KubernetesRelease) -> None:
    """With the versions of go.mod. Debian packages are not pinned, also not the libraries of a program with cgo."""
    builder = BundleBuilder(Store(tmp_path), release, Architecture.AMD64, IN_BUNDLES)
    origins = {place.name: builder.origin(place) for place in builder.places.values()}
    assert (origins["kubelet"].locations, origins["kubelet"].pin) == ((f"k8s.io/kubernetes@v{release.kubernetes}",), Pin.GO_SUM)
    assert origins["containerd"].locations == (f"github.com/containerd/containerd/v2@v{release.containerd}",)
    assert origins["bridge"].locations == (f"github.com/containernetworking/plugins@v{release.cni_plugins}",)
    assert origins["etcd"].locations == tuple(f"go.etcd.io/etcd/{part}/v3@v{release.etcd}" for part in ("server", "etcdctl", "etcdutl"))
    assert origins["runc"].pin is Pin.DEBIAN
    assert origins["kube-proxy"].pin is Pin.DEBIAN
    assert "debian:iptables" in origins["kube-proxy"].locations
    assert (origins["pause"].locations, origins["pause"].pin) == (("lab/build/pause.c",), Pin.CHECKOUT)
    assert (origins["kubelet.service"].locations, origins["kubelet.service"].pin) == (("bundle/units/kubelet.service",), Pin.CHECKOUT)
