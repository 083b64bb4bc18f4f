"""The script that prints what a reset would destroy, with folders and an etcd of this test in the place of the host's."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hosts.copy_archive import HostCopy
from templates import render
from tests.hosts.test_copy_archive import SOURCE, Printed, unpacked

VALUES = {"cluster": "demo", "snapshot_seconds": 60, "slack_kib": 1}
DATABASE = b"database" * 1000
ETCD = """#!/bin/sh
[ "$1" != --version ] || { echo "etcd Version: 3.6.6"; exit; }
read -r _
"""  # waits; as for a program, its name is `etcd` in /proc
STATUS = """#!/bin/sh
[ "$1 $2" = 'snapshot status' ] && echo '{"hash":1,"revision":1234,"totalKey":10,"version":"3.6.0"}'
exit ${VERIFIED:-0}
"""
KEYS = b'{"kvs":[]}\n'
SAVES = """#!/bin/sh
case " $* " in
  *' endpoint status '*) exit ${STATUS:-0} ;;
  *' snapshot save '*)
    for target; do :; done
    [ -z "${SLOW:-}" ] || { echo begun >"$target.part"; sleep 60; }
    cat "${0%/*}/snapshot" >"$target"
    exit ${SAVED:-0}
    ;;
  *' get /registry --prefix --keys-only --write-out=json --rev=1234 '*) echo '{"kvs":[]}'; exit ${LISTED:-0} ;;
esac
"""


@dataclass
class FakeHost:
    """Folders with the host's names below another root."""

    root: Path

    def write(self, path: str, content: bytes, mode: int = 0o600) -> Path:
        """A file of the host."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
        return file

    def script(self, **values: object) -> str:
        """The script for these folders. The program of etcd's image is one of the test."""
        text = render("host/save-copy.sh.j2", **{**VALUES, **values})
        text = text.replace("$process/root/usr/local/bin/", f"{self.root}/bin/").replace("kubelet --version", "false")
        for folder in ("/var/lib/sixstack", "/var/lib/etcd", "/etc/kubernetes"):
            text = text.replace(folder, f"{self.root}{folder}")
        return text

    def run(self, *, script: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
        """Run it as the remote shell does."""
        return subprocess.run(
            ["sh", "-c", script or self.script()], capture_output=True, env={**os.environ, **environment}, timeout=60, check=False
        )

    def copy(self, **environment: str) -> tuple[HostCopy, dict[str, bytes]]:
        """The answer, and the files in it."""
        done = self.run(**environment)
        assert done.returncode == 0, done.stderr
        copy = HostCopy("a", Printed(done.stdout))
        return copy, {} if copy.empty else unpacked(b"".join(copy.archive(SOURCE, lambda: None, b"{}")))

    @property
    def work(self) -> Path:
        """Where a snapshot is for a moment."""
        return self.root / "var/lib/sixstack/copy"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A control plane without a running etcd."""
    made = FakeHost(tmp_path)
    made.write("var/lib/sixstack/owner", b"demo\n")
    made.write("var/lib/etcd/member/snap/db", b"bolt")
    made.write("var/lib/etcd/member/wal/0.wal", b"\0" * 1000)
    made.write("etc/kubernetes/pki/ca.key", b"the key\n")
    made.write("etc/kubernetes/pki/etcd/ca.crt", b"etcd's authority\n")
    made.write("etc/kubernetes/admin.conf", b"kubeconfig")
    made.write("etc/kubernetes/a name with 'quotes'", b"of the owner")
    (tmp_path / "etc/kubernetes/pki/link.key").symlink_to("ca.key")
    return made


@pytest.fixture
def etcd(host: FakeHost) -> Iterator[FakeHost]:
    """The same with a process of etcd, and an etcdctl that answers."""
    program = host.write("bin/etcd", ETCD.encode(), 0o755)
    host.write("bin/etcdctl", SAVES.encode(), 0o755)
    host.write("bin/etcdutl", STATUS.encode(), 0o755)
    host.write("bin/snapshot", DATABASE + hashlib.sha256(DATABASE).digest())
    arguments = [f"--data-dir={host.root}/var/lib/etcd", "--listen-client-urls=https://127.0.0.1:1,https://[::1]:1"]
    process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE)
    while Path(f"/proc/{process.pid}/comm").read_text() != "etcd\n":
        time.sleep(0.01)
    yield host
    process.kill()
    process.communicate()


KUBERNETES = {
    "kubernetes/pki/ca.key": b"the key\n",
    "kubernetes/pki/link.key": b"the key\n",
    "kubernetes/pki/etcd/ca.crt": b"etcd's authority\n",
    "kubernetes/admin.conf": b"kubeconfig",
    "kubernetes/a name with 'quotes'": b"of the owner",
}
SNAPSHOT = {"etcd-snapshot.db": DATABASE + hashlib.sha256(DATABASE).digest()}
DATA = {"etcd-data/member/snap/db": b"bolt", "etcd-data/member/wal/0.wal": b"\0" * 1000}


def without_manifest(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of the host."""
    return {name: content for name, content in files.items() if name not in {"manifest.json", "cluster.json"}}


def test_an_etcd_that_answers_gives_a_snapshot(etcd: FakeHost) -> None:
    """And everything in /etc/kubernetes; nothing is left on the host."""
    copy, files = etcd.copy()
    assert (copy.etcd, copy.etcd_reason, copy.etcd_version, copy.revision) == ("snapshot", "", "3.6.6", 1234)
    assert without_manifest(files) == {**SNAPSHOT, "etcd-keys.json": KEYS, **KUBERNETES}
    assert not etcd.work.exists()


def test_a_snapshot_without_the_list_of_keys_is_a_snapshot(etcd: FakeHost) -> None:
    """A restore from it cannot say what is newer."""
    copy, files = etcd.copy(LISTED="1")
    assert (copy.etcd, without_manifest(files)) == ("snapshot", {**SNAPSHOT, **KUBERNETES})


def test_a_snapshot_that_no_etcdutl_verified_says_so(etcd: FakeHost) -> None:
    """The image of etcd is of another builder; the digest at the end of the snapshot is compared anyway."""
    (etcd.root / "bin/etcdutl").unlink()
    copy, files = etcd.copy()
    assert (copy.etcd, copy.revision, without_manifest(files)) == ("snapshot", None, {**SNAPSHOT, **KUBERNETES})
    assert "no etcdutl" in copy.etcd_reason


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"STATUS": "1"}, "etcd does not answer"),
        ({"SAVED": "1"}, "etcd did not finish a snapshot"),
        ({"VERIFIED": "1"}, "etcdutl found a fault in the snapshot"),
    ],
)
def test_an_etcd_that_does_not_answer_is_copied_as_it_is(etcd: FakeHost, environment: dict[str, str], reason: str) -> None:
    """The reason is in the answer."""
    copy, files = etcd.copy(**environment)
    assert (copy.etcd, copy.etcd_reason) == ("data", reason)
    assert without_manifest(files) == {**DATA, **KUBERNETES}
    assert not etcd.work.exists()


def test_a_snapshot_that_would_fill_the_disk_is_not_made(etcd: FakeHost) -> None:
    """etcd would stop."""
    done = etcd.run(script=etcd.script(slack_kib=1 << 50))
    assert HostCopy("a", Printed(done.stdout)).etcd_reason.startswith("not enough disk space")


def test_an_etcd_that_does_not_run_is_copied_as_it_is(host: FakeHost) -> None:
    """Also when another etcd runs on the machine, with another data directory."""
    copy, files = host.copy()
    assert (copy.etcd, copy.etcd_reason) == ("data", "etcd does not run")
    assert without_manifest(files) == {**DATA, **KUBERNETES}


def test_a_host_without_etcd_has_its_keys_in_the_copy(host: FakeHost) -> None:
    """Such as after a reset that failed halfway."""
    (host.root / "var/lib/etcd").rename(host.root / "elsewhere")
    copy, files = host.copy()
    assert (copy.etcd, without_manifest(files)) == ("none", KUBERNETES)


def test_a_bare_host_has_nothing_to_copy(tmp_path: Path) -> None:
    """The script may be run where this was unknown."""
    assert FakeHost(tmp_path).copy()[0].empty


def test_a_host_of_another_cluster_is_refused(host: FakeHost) -> None:
    """It prints none of its files."""
    host.write("var/lib/sixstack/owner", b"other\n")
    done = host.run()
    assert (done.returncode, done.stdout) == (64, b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_snapshot_stays_when_the_script_is_ended(etcd: FakeHost, number: signal.Signals) -> None:
    """At once; after SIGKILL, the next run removes it. Only root can read it until then."""
    # in a process group of its own, as `timeout` runs it on a host
    script = subprocess.Popen(
        ["sh", "-c", etcd.script()],
        env={**os.environ, "SLOW": "yes"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    deadline = time.monotonic() + 30
    while not (etcd.work / "snapshot.db.part").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert etcd.work.stat().st_mode & 0o777 == 0o700
    os.killpg(script.pid, number)
    script.wait(30)
    if number is signal.SIGKILL:
        etcd.copy()
    assert not etcd.work.exists()


def test_a_reader_that_goes_away_leaves_nothing_on_the_host(etcd: FakeHost) -> None:
    """The store failed, or the worker was killed: the next write ends the script."""
    etcd.write("bin/snapshot", os.urandom(2_000_000))
    script = subprocess.Popen(["sh", "-c", etcd.script()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert script.stdout is not None
    script.stdout.read(10)
    script.stdout.close()
    assert script.wait(30) != 0
    assert not etcd.work.exists()
