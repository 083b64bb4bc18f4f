"""The scripts of a restore, with folders and programs of this test in the place of the host's: what they leave when a program fails."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.plan import values
from cluster.pod_networks.plugins import leftover_values
from tasks.restore_control_plane import packed
from templates import render
from tests.cluster.plan.test_create import SPEC

SOURCE = values.RestoreSource("default", "20261126T020000000000Z.a", "/root/identity.txt")
SNAPSHOT = os.urandom(100_000)
FILES = {"pki/ca.crt": b"authority of the copy\n", "pki/ca.key": b"key of the copy\n", "own.yaml": b"of the owner\n"}
# each program writes its arguments to the log; FAIL names one that fails
PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >>"$LOG"
[ "${FAIL:-}" != "${0##*/} $1" ] || exit 1
"""
PROGRAMS = {
    "ip": "",
    "systemctl": "",
    "kubectl": "",
    "timeout": 'shift; exec "$@"\n',
    "kubeadm": """case "$1 $2" in
  'init --config') [ -z "${KILL:-}" ] || kill -9 $PPID; [ -e "$ROOT/var/lib/etcd/member/restored" ] && mkdir -p "$ROOT/etc/kubernetes/manifests" &&
    echo api >"$ROOT/etc/kubernetes/manifests/kube-apiserver.yaml" ;;
esac
""",
    "etcdutl": """case "$1 $2" in
  'snapshot status') [ -z "${DAMAGED:-}" ] || exit 1; echo '{"hash":1,"revision":1234,"totalKey":1}' ;;
  'snapshot restore') [ -z "${UNRESTORED:-}" ] || exit 1; mkdir -p "$5/member"; touch "$5/member/restored" ;;
esac
""",
}


@dataclass
class FakeHost:
    """A control plane in a folder."""

    root: Path

    @property
    def state(self) -> Path:
        """The folder of sixstack."""
        return self.root / "var/lib/sixstack"

    def write(self, path: str, content: bytes | str, mode: int = 0o600) -> Path:
        """A file of the host."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(mode)
        return file

    def run(self, template: str, *, data: bytes = b"", run: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
        """Run a script of the restore."""
        step = {**values.restore_values(SPEC, SOURCE), "run": run, "size": len(SNAPSHOT), "kib": 1}
        text = render(template, **step).replace("PATH=/usr/local/sbin:", f"PATH={self.root}/bin:/usr/local/sbin:")
        for folder in ("/var/lib/sixstack", "/var/lib/etcd", "/etc/kubernetes", "/var/lib/cni", *leftover_values()["node_paths"]):
            text = text.replace(folder, f"{self.root}{folder}")
        self.write("step/kubernetes.tar", packed(FILES))
        self.write("step/etcdutl", PROGRAM + PROGRAMS["etcdutl"])
        settings = {"LOG": f"{self.root}/log", "ROOT": str(self.root), "SIXSTACK_STEP_DIR": f"{self.root}/step", **environment}
        return subprocess.run(["sh", "-c", text], input=data, capture_output=True, env={**os.environ, **settings}, timeout=60, check=False)

    def receive(self, data: bytes = SNAPSHOT, *, run: str = "run-1") -> subprocess.CompletedProcess[bytes]:
        """Send the snapshot."""
        return self.run("host/receive-snapshot.sh.j2", data=data, run=run, environment={})

    def restore(self, *, run: str = "run-1", **environment: str) -> subprocess.CompletedProcess[bytes]:
        """Restore the control plane."""
        return self.run("host/restore.sh.j2", run=run, environment=environment)

    @property
    def log(self) -> str:
        """The programs that ran."""
        log = self.root / "log"
        return log.read_text() if log.exists() else ""

    def content(self, *folders: str) -> dict[str, bytes]:
        """All files below folders."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for folder in folders
            for path in (self.root / folder).rglob("*")
            if path.is_file()
        }


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with a running control plane."""
    made = FakeHost(tmp_path)
    for name, body in PROGRAMS.items():
        made.write(f"bin/{name}", PROGRAM + body, 0o755)
    made.write("var/lib/sixstack/owner", "demo\n")
    made.write("var/lib/sixstack/initialized", "")
    made.write("var/lib/sixstack/authority", "digest\n")
    made.write("var/lib/etcd/member/present", "data")
    made.write("etc/kubernetes/pki/ca.key", "present key")
    made.write("etc/kubernetes/admin.conf", "present")
    made.write("etc/kubernetes/manifests/kube-apiserver.yaml", "present")
    return made


def test_the_control_plane_is_replaced_by_that_of_the_copy(host: FakeHost) -> None:
    """PKI with its modes, etcd's data, and a note of the new authority; nothing of the copy stays beside it."""
    assert host.receive().stdout == b"received\n"
    assert (host.state / "restore").stat().st_mode & 0o777 == 0o700
    assert (host.state / "restore/snapshot.db").stat().st_mode & 0o777 == 0o600
    before = int(time.time())
    done = host.restore()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (host.root / "var/lib/etcd/member/restored").exists()
    assert not (host.root / "var/lib/etcd/member/present").exists()
    pki = host.root / "etc/kubernetes/pki"
    assert {path.name: (path.read_bytes(), oct(path.stat().st_mode & 0o777)) for path in pki.iterdir()} == {
        "ca.crt": (FILES["pki/ca.crt"], "0o644"),
        "ca.key": (FILES["pki/ca.key"], "0o600"),
    }
    assert (host.root / "etc/kubernetes/own.yaml").read_bytes() == FILES["own.yaml"]
    assert sorted(path.name for path in host.state.iterdir()) == ["authority", "initialized", "owner", "restored"]
    assert (host.state / "authority").read_text() != "digest\n"
    restored = next(line for line in host.log.splitlines() if line.startswith("etcdutl snapshot restore"))
    assert "--name a --initial-cluster a=https://198.18.0.11:2380 --initial-advertise-peer-urls https://198.18.0.11:2380" in restored
    bump = int(restored.partition("--bump-revision ")[2].split()[0])
    assert before * 1_000_000 <= bump + 1234 <= int(time.time() + 1) * 1_000_000
    assert restored.endswith("--mark-compacted")
    assert "--ignore-preflight-errors=DirAvailable--var-lib-etcd" in host.log


@pytest.mark.parametrize(
    "environment",
    [
        {"DAMAGED": "1"},
        {"UNRESTORED": "1"},
        {"FAIL": "systemctl start"},
    ],
    ids=str,
)
def test_a_failure_before_the_data_is_restored_leaves_the_control_plane_as_it_is(host: FakeHost, environment: dict[str, str]) -> None:
    """The snapshot is removed, and nothing else changed."""
    before = host.content("var/lib/etcd", "etc/kubernetes", "var/lib/sixstack")
    host.receive()
    done = host.restore(**environment)
    assert done.returncode != 0
    assert host.content("var/lib/etcd", "etc/kubernetes", "var/lib/sixstack") == before
    assert "kubeadm reset" not in host.log


def test_an_unfinished_restore_is_continued_by_a_restore_only(host: FakeHost) -> None:
    """kubeadm init of create-cluster would make an empty cluster. The data before the restore is kept until one has finished."""
    host.receive()
    done = host.restore(FAIL="kubeadm init")
    assert done.returncode != 0
    assert (host.state / "restoring").read_text() == f"{SOURCE.copy}\n"
    assert (host.state / "unfinished/etcd/member/present").exists()
    assert (host.state / "unfinished/pki/ca.key").read_text() == "present key"
    create = {**values.init_values(SPEC)}
    text = render("host/init.sh.j2", **create).replace("/var/lib/sixstack", str(host.state))
    refused = subprocess.run(["sh", "-c", text], capture_output=True, timeout=60, check=False)
    assert refused.returncode == 64
    assert b"restore the cluster again" in refused.stderr
    # what further attempts set aside is not the cluster's
    assert host.receive().stdout == b"received\n"
    assert host.restore(FAIL="kubeadm init").returncode != 0
    assert (host.state / "unfinished/etcd/member/present").exists()
    assert not (host.state / "unfinished/etcd/member/restored").exists()
    assert (host.state / "unfinished/pki/ca.key").read_text() == "present key"
    # the same run tries again, or another one
    for run in ("run-1", "run-2"):
        assert host.receive(run=run).stdout == b"received\n"
        done = host.restore(run=run)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (host.state / "restoring").exists()
        assert not (host.state / "unfinished").exists()


def test_a_run_whose_restore_has_finished_does_nothing(host: FakeHost) -> None:
    """Its connection was lost, and the task is tried again. Another run restores again."""
    host.receive()
    host.restore()
    ran = host.log
    assert host.receive().stdout == b"not needed\n"
    again = host.restore()
    assert (again.returncode, b"already restored" in again.stdout, host.log) == (0, True, ran)
    assert host.receive(run="run-2").stdout == b"received\n"


def test_a_running_restore_keeps_its_snapshot(host: FakeHost) -> None:
    """Its connection was lost: the task is tried again while the unit still runs."""
    host.receive()
    lock = host.write("var/lib/sixstack/steps/restore-control-plane/lock", "")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert host.receive(b"other").stdout == b"not needed\n"
    assert (host.state / "restore/snapshot.db").read_bytes() == SNAPSHOT


@pytest.mark.parametrize("size", [0, 1, len(SNAPSHOT) - 1])
def test_a_snapshot_that_arrives_incomplete_is_removed(host: FakeHost, size: int) -> None:
    """The connection broke."""
    assert host.receive(SNAPSHOT[:size]).returncode == 1
    assert not (host.state / "restore").exists()


def test_a_restore_without_its_snapshot_is_refused(host: FakeHost) -> None:
    """An earlier attempt ended after it had removed the snapshot."""
    assert host.restore().returncode == 64


@pytest.mark.parametrize("owner", ["", "other\n"])
def test_a_host_of_nobody_or_of_another_cluster_is_refused(host: FakeHost, owner: str) -> None:
    """The snapshot has every Secret of the cluster."""
    host.write("var/lib/sixstack/owner", owner)
    assert host.receive().returncode == 64
    assert host.restore().returncode == 64
    assert not (host.state / "restore").exists()


def test_a_host_without_disk_space_is_named_before_anything_is_sent(host: FakeHost) -> None:
    """etcd would stop on a full disk."""
    text = render("host/receive-snapshot.sh.j2", cluster="demo", run="run", size=1, kib=1 << 50).replace(
        "/var/lib/sixstack", str(host.state)
    )
    done = subprocess.run(["sh", "-c", text], input=b"x", capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"MiB free" in done.stderr) == (65, True)


def test_the_files_of_the_copy_are_an_archive_that_tar_reads() -> None:
    """With Python's own reader as the second one."""
    with tarfile.open(fileobj=io.BytesIO(packed(FILES))) as archive:
        assert {member.name for member in archive} == set(FILES)
