"""The script that renews certificates, with the real kubeadm, killed at every point: no pair of certificate and key is ever torn for good.

It runs on this machine, in a mount namespace in which /etc, /var/lib and /usr/local/sbin are folders of the test.
Programs first in PATH stand in for the real ones: they count the calls, and kill the whole script at the call that a test asks for.
"""

from __future__ import annotations

import base64
import os
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from bundle.unpack import unpack
from cluster.plan.expiry import MANAGED, ManagedCertificate
from cluster.plan.values import issue_values
from templates import render
from tests.templates.test_host_scripts import spec_of

pytestmark = [pytest.mark.bundle, pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")]

SPEC = spec_of("dual-stack")
NAMES = {managed.name: managed for managed in MANAGED}
RENEWED, ISSUED = (NAMES["etcd-server"], NAMES["admin.conf"]), (NAMES["apiserver"],)
PROGRAMS = ("cmp", "cp", "find", "kubeadm", "mkdir", "mv", "rm", "sync", "touch", "unshare")
SAMPLE = 8  # points in `make test`; `make test-long` tries every point
_INSIDE = "mount --bind {root}/etc /etc; mount --bind {root}/lib /var/lib; mount --bind {root}/sbin /usr/local/sbin; exec sh {root}/script"


@dataclass
class ControlPlane:
    """A folder with the files of a control plane."""

    root: Path
    kubeadm: Path

    def create(self) -> None:
        """New certificates, as kubeadm init makes them."""
        for name in ("etc", "lib"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        (self.root / "etc/kubernetes").mkdir(parents=True)
        (self.root / "lib/sixstack").mkdir(parents=True)
        (self.root / "lib/sixstack/owner").write_text("demo\n")
        (self.root / "etc/kubeadm.yaml").write_text(
            render("kubeadm/init.yaml.j2", documents=issue_values(SPEC, SPEC.hosts[0], (), ())["documents"])
        )
        done = self.run(
            f"{self.kubeadm} init phase certs all --config /etc/kubeadm.yaml && {self.kubeadm} init phase kubeconfig all --config /etc/kubeadm.yaml"
        )
        assert done.returncode == 0, done.stderr

    def run(self, script: str, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a script, which is killed at its call `kill_at`."""
        sbin = self.root / "sbin"
        sbin.mkdir(exist_ok=True)
        (self.root / "count").write_text("0\n")
        for name in PROGRAMS:
            real = self.kubeadm if name == "kubeadm" else shutil.which(name, path="/usr/bin:/bin")
            (sbin / name).write_text(
                f"#!/bin/sh\nread -r count <{self.root}/count\ncount=$((count + 1))\necho $count >{self.root}/count\n"
                f'if [ "$count" = {kill_at} ]; then kill -s KILL 0; fi\nexec {real} "$@"\n'
            )
            (sbin / name).chmod(0o755)
        (self.root / "script").write_text(script)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _INSIDE.format(root=self.root)]
        return subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)

    @property
    def calls(self) -> int:
        """Calls of the last run."""
        return int((self.root / "count").read_text())

    def renew(
        self, kill_at: int = 0, renewed: tuple[ManagedCertificate, ...] = RENEWED, issued: tuple[ManagedCertificate, ...] = ISSUED
    ) -> bool:
        """Run the script; False when it was killed."""
        values = issue_values(SPEC, SPEC.hosts[0], renewed, issued)
        done = self.run(render("host/renew-certificates.sh.j2", **values), kill_at)
        assert done.returncode in {0, -9, 137}, done.stdout + done.stderr
        return done.returncode == 0

    @property
    def unfinished(self) -> bool:
        """What the facts say."""
        return (self.root / "lib/sixstack/renewal").exists()

    def pairs(self) -> dict[str, bytes]:
        """The certificate of each file; each must have the public key of the private key beside it."""
        found = {}
        for managed in MANAGED:
            path = self.root / managed.path.removeprefix("/")
            if managed.path.endswith(".conf"):
                user = yaml.safe_load(path.read_text())["users"][0]["user"]
                certificate, key = (base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key"))
            else:
                certificate, key = path.read_bytes(), path.with_suffix(".key").read_bytes()
            assert load_pem_x509_certificate(certificate).public_key() == load_pem_private_key(key, None).public_key(), managed.path
            found[managed.name] = certificate
        return found

    def leftovers(self) -> list[str]:
        """What a finished renewal must not leave."""
        return [str(path) for path in self.root.rglob("*") if "renewal" in path.name or path.name.endswith("sixstack-new")]


@pytest.fixture
def control_plane(tmp_path: Path, bundle_folder: Path) -> ControlPlane:
    """A control plane with new certificates."""
    unpack(bundle_folder, "kubeadm", tmp_path / "kubeadm")
    machine = ControlPlane(tmp_path, tmp_path / "kubeadm")
    machine.create()
    return machine


def modes(control_plane: ControlPlane) -> dict[str, int]:
    """The modes of all files."""
    folder = control_plane.root / "etc/kubernetes"
    return {str(path.relative_to(folder)): path.stat().st_mode for path in folder.rglob("*")}


def test_only_what_is_asked_for_is_replaced(control_plane: ControlPlane) -> None:
    """With the modes of before, and nothing is left over."""
    before, kept = control_plane.pairs(), modes(control_plane)
    assert control_plane.renew()
    after = control_plane.pairs()
    assert {name for name in before if before[name] != after[name]} == {"etcd-server", "admin.conf", "apiserver"}
    assert modes(control_plane) == kept
    assert control_plane.leftovers() == []


def test_missing_and_unreadable_certificates_are_issued(control_plane: ControlPlane) -> None:
    """Each of kubeadm's; `kubeadm certs renew` refuses them."""
    for number, managed in enumerate(MANAGED):
        for file in managed.files:
            path = control_plane.root / file.removeprefix("/")
            if number % 2:
                path.unlink()
            else:
                path.write_text("torn")
    assert control_plane.renew(renewed=(), issued=MANAGED)
    assert control_plane.pairs().keys() == NAMES.keys()
    assert control_plane.leftovers() == []


def test_a_link_of_the_owner_stays_a_link(control_plane: ControlPlane) -> None:
    """Keys may be on another volume."""
    folder = control_plane.root / "etc/kubernetes"
    (folder / "pki").rename(control_plane.root / "etc/volume")
    (folder / "pki").symlink_to("/etc/volume")
    (folder / "admin.conf").rename(control_plane.root / "etc/volume/admin.conf")
    (folder / "admin.conf").symlink_to("/etc/volume/admin.conf")
    old = (control_plane.root / "etc/volume/apiserver.crt").read_bytes(), (control_plane.root / "etc/volume/admin.conf").read_bytes()
    assert control_plane.renew()
    assert (folder / "pki").is_symlink()
    assert (folder / "admin.conf").is_symlink()
    assert (control_plane.root / "etc/volume/apiserver.crt").read_bytes() != old[0]
    assert (control_plane.root / "etc/volume/admin.conf").read_bytes() != old[1]


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)], ids=["sample", "every-point"])
def test_a_renewal_that_is_killed_is_finished_by_the_next(control_plane: ControlPlane, every: bool) -> None:
    """Until its files are complete, nothing is changed. After that, the facts say that it is unfinished, and the next run completes it."""
    assert control_plane.renew()
    points = list(range(1, control_plane.calls + 1))
    for point in points if every else sorted(random.Random(7).sample(points, SAMPLE)):
        before = control_plane.pairs()
        assert not control_plane.renew(kill_at=point)
        if not control_plane.unfinished:
            after = control_plane.pairs()  # no pair is torn
            assert {name for name in before if before[name] != after[name]} in (set(), {"etcd-server", "admin.conf", "apiserver"})
        assert control_plane.renew(renewed=(), issued=())
        control_plane.pairs()
        assert control_plane.leftovers() == [], point
