"""Which files of a copy go back to /etc/kubernetes, and with which modes."""

from __future__ import annotations

import io
import tarfile

import pytest

from cluster.vocabulary.errors import Bug
from tasks.restore_control_plane import AUTHORITIES, is_restored, packed


@pytest.mark.parametrize("name", [*AUTHORITIES, "pki/own.key", "encryption.yaml", "manifests/own.yaml", "pki/etcd/own.crt"])
def test_authorities_and_what_the_owner_put_there_come_back(name: str) -> None:
    """Kubeadm does not make these."""
    assert is_restored(f"kubernetes/{name}")


@pytest.mark.parametrize(
    "name",
    [
        "kubernetes/pki/apiserver.crt",
        "kubernetes/pki/apiserver.key",
        "kubernetes/pki/etcd/server.key",
        "kubernetes/pki/etcd/healthcheck-client.crt",
        "kubernetes/pki/front-proxy-client.key",
        "kubernetes/admin.conf",
        "kubernetes/super-admin.conf",
        "kubernetes/kubelet.conf",
        "kubernetes/manifests/etcd.yaml",
        "kubernetes/manifests/kube-apiserver.yaml",
        "kubernetes/sixstack/audit.yaml",
        "etcd-snapshot.db",
        "kubeadm-config.yaml",
        "cluster.json",
    ],
)
def test_what_kubeadm_or_a_step_writes_does_not(name: str) -> None:
    """Certificates are new, so their names and their expiry are those of the file and of today."""
    assert not is_restored(name)


def test_keys_are_for_root_only() -> None:
    """Certificates and public keys are not secret."""
    files = {"pki/ca.key": b"key", "pki/ca.crt": b"certificate", "pki/sa.pub": b"public", "own.yaml": b"own"}
    with tarfile.open(fileobj=io.BytesIO(packed(files))) as archive:
        assert {member.name: oct(member.mode) for member in archive} == {
            "pki/ca.key": "0o600",
            "pki/ca.crt": "0o644",
            "pki/sa.pub": "0o644",
            "own.yaml": "0o600",
        }


@pytest.mark.parametrize("name", ["/etc/passwd", "../passwd", "pki/../../passwd"])
def test_no_file_leaves_the_folder(name: str) -> None:
    """hosts/copy_archive.py writes no such name."""
    with pytest.raises(Bug):
        packed({name: b""})
