"""The host scripts, killed at every point: the next attempt finishes, and a reset leaves the owner's files as they were.

Programs first in PATH stand in for the real rm, mv, cp, stat, sync, touch and systemctl: they count the calls, kill the whole script at the call that
a test asks for, and otherwise run the real program.
"""

from __future__ import annotations

import itertools
import random
import shlex
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from bundle.manifest import FileKind, read_manifest
from cluster.facts.parsers.kubernetes import ca_hash
from cluster.file.reader import read_document
from cluster.kubeadm.documents import join_configuration
from cluster.plan import values as step_values
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import HostUnreachable, StepFailed, StepTimedOut
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Host
from hosts.session import Output, Session
from hosts.upload import upload_files
from kube.pod_networks import network_images
from lab import hosts
from lab.spec import cluster_document
from templates import render
from tests import lived_in
from tests.conftest import LAB
from tests.templates.test_host_scripts_on_a_host import Machine, changes, machine

__all__ = ["machine"]  # the fixture

pytestmark = [pytest.mark.lab, pytest.mark.bundle]

PROGRAMS = "rm mv cp stat sync touch systemctl"
SAMPLE = 4  # points of each script in `make test`; `make test-long` tries every point
INSTALL = rf"""
mkdir -p /run/kill /usr/local/sbin; echo 0 >/run/kill/at
for name in {PROGRAMS}; do
  cat >"/usr/local/sbin/$name" <<'END'
#!/bin/sh
name=${{0##*/}}
read -r count </run/kill/count; read -r at </run/kill/at
count=$((count + 1)); echo "$count" >/run/kill/count
if [ "$count" = "$at" ]; then
  /bin/kill -s KILL -- "-$(/usr/bin/ps -o pgid= -p $$ | /usr/bin/tr -d ' ')"
fi
exec "/usr/bin/$name" "$@"
END
  chmod 755 "/usr/local/sbin/$name"
done
"""
REMOVE = f"for name in {PROGRAMS}; do /usr/bin/rm -f /usr/local/sbin/$name; done; /usr/bin/rm -rf /run/kill"


class Killer:
    """Runs parts of a cluster's life on a host, and kills one of them at its n-th call."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def killed_at(self, number: int, part: Callable[[], object]) -> bool:
        """Run `part`, which is killed at its call `number`; False when it ended before."""
        self.machine.run(f"{INSTALL}\necho 0 >/run/kill/count; echo {number} >/run/kill/at")
        with suppress(AssertionError, HostUnreachable, StepFailed, StepTimedOut):
            part()
        calls = int(self.machine.run(f"/usr/bin/cat /run/kill/count; {REMOVE}").stdout)
        return calls >= number

    def upload(self) -> None:
        """Some of the bundle's files: a program, the owner's program, a plug-in of the owner, a unit."""
        wanted = ("kubectl", "ctr", "bridge", "10-kubeadm.conf")
        files = read_manifest(self.machine.bundle).for_host("control-plane", network_images(self.machine.spec))
        upload_files(
            self.machine.session, self.machine.bundle, [file for file in files if file.target is not None and file.target.name in wanted]
        )

    def prepare(self) -> None:
        """prepare.sh with a mirror where the owner has one."""
        document = self.machine.spec.model_dump()
        document["images"]["mirrors"] = {"docker.io": ("https://m.example",), "ghcr.io": ("https://m.example",)}
        document["proxy"]["http"] = "http://p.example:3128"
        spec = type(self.machine.spec).model_validate(document)
        done = self.machine.run(render("host/prepare.sh.j2", **step_values.prepare_values(spec, spec.hosts[0])), ok=False)
        assert done.ok, done.stderr

    def files(self) -> None:
        """Every program and unit of the bundle, no image."""
        files = read_manifest(self.machine.bundle).for_host("control-plane", network_images(self.machine.spec))
        upload_files(self.machine.session, self.machine.bundle, [file for file in files if file.kind is not FileKind.IMAGE])


def points(every: bool, last: int, seed: str) -> list[int]:
    """The calls at which a script is killed."""
    numbers = range(1, last + 1)
    return list(numbers) if every else sorted(random.Random(seed).sample(numbers, SAMPLE))


@pytest.fixture
def killer(machine: Machine) -> Iterator[tuple[Killer, list[str]]]:
    """A host with an owner, and what it is like."""
    machine.reset()
    lived_in.live_in(LAB)
    yield Killer(machine), machine.look()
    machine.run(REMOVE)
    machine.reset()
    lived_in.move_out(LAB)


def killed_and_finished(
    killer: Killer, before: list[str], part: Callable[[], object], first: Callable[[], object], numbers: list[int]
) -> int:
    """Kill `part` at each of these calls, after `first`; then finish it or not, in turns, and reset. The number of kills."""
    kills = 0
    for number in numbers:
        first()
        if not killer.killed_at(number, part):
            killer.machine.reset()
            break
        kills += 1
        if number % 2:
            part()
        killer.machine.reset()
        assert changes(before, killer.machine.look()) == [], f"after a kill at call {number}"
    return kills


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)], ids=["a-sample", "every-call"])
class TestKilledAtACall:
    """One script of a cluster's life is killed."""

    def test_claim(self, killer: tuple[Killer, list[str]], every: bool) -> None:
        """Copies of the owner's files are complete, or the host has no owner."""
        kill, before = killer
        assert killed_and_finished(
            kill, before, kill.machine.claim, lambda: None, points(every, 120, "claim") if every else points(every, 40, "claim")
        )

    def test_upload(self, killer: tuple[Killer, list[str]], every: bool) -> None:
        """A file is the owner's or ours, never nobody's."""
        kill, before = killer
        assert killed_and_finished(
            kill, before, kill.upload, kill.machine.claim, points(every, 200, "upload") if every else points(every, 24, "upload")
        )

    def test_prepare(self, killer: tuple[Killer, list[str]], every: bool) -> None:
        """Settings and files of the owner are remembered before they are changed."""
        kill, before = killer

        def first() -> None:
            kill.machine.claim()
            kill.files()

        assert killed_and_finished(
            kill, before, kill.prepare, first, points(every, 300, "prepare") if every else points(every, 30, "prepare")
        )

    def test_reset(self, killer: tuple[Killer, list[str]], every: bool) -> None:
        """A reset that was killed is finished by the next, which never takes the owner's files for the cluster's."""
        kill, before = killer
        for number in points(every, 1000, "reset") if every else points(every, 60, "reset"):
            kill.machine.claim()
            kill.files()
            kill.prepare()
            killed = kill.killed_at(number, kill.machine.reset)
            kill.machine.reset()
            assert changes(before, kill.machine.look()) == [], f"after a kill at call {number}"
            if not killed:
                break


@pytest.mark.long
def test_init_killed_at_every_call(killer: tuple[Killer, list[str]]) -> None:
    """kubeadm's own calls of systemctl count too. Each time the next init finishes the control plane."""
    kill, before = killer
    number = 0
    while True:
        number += 1
        kill.machine.prepare()
        kill.machine.images()
        killed = kill.killed_at(number, kill.machine.init)
        assert "initialized" in kill.machine.init().stdout, f"after a kill at call {number}"
        if not killed or number % 8 == 0:  # a reset takes longer than the init; the control plane of the last attempt is finished
            kill.machine.reset()
            assert changes(before, kill.machine.look()) == [], f"after a kill at call {number}"
        else:
            kill.machine.run("mv /var/lib/sixstack/initialized /var/lib/sixstack/initializing")
        if not killed:
            break


@pytest.mark.long
def test_reset_of_a_control_plane_killed_again_and_again(killer: tuple[Killer, list[str]]) -> None:
    """On one control plane, each attempt gets one call further than the one before."""
    kill, before = killer
    kill.machine.prepare()
    kill.machine.images()
    kill.machine.init()
    number = 1
    while kill.killed_at(number, kill.machine.reset):
        number += 1
    kill.machine.reset()
    assert changes(before, kill.machine.look()) == []
    assert number > 5


class Worker(Machine):
    """The second host of the lab."""

    @property
    def host(self) -> Host:
        """A worker."""
        return self.spec.hosts[1]


@pytest.mark.long
def test_join_killed_at_every_call(machine: Machine) -> None:
    """Each time the next join finishes the node, and a reset leaves the worker as it was."""
    lab = hosts.lab_of(LAB)
    found = hosts.up(LAB, hosts=2, families=lab.families, management=lab.management)
    reading = read_document(cluster_document(lab, found[:2], StackMode.DUAL_STACK, Family.IPV6))
    assert reading.spec is not None, reading.problems
    spec = ResolvedSpec.of(reading.spec)
    key = Credential(private_key=lab.key_file.read_text())
    control = replace(machine, spec=spec)
    worker = Worker(spec, Session.open(found[1].name, spec.hosts[1].ssh, lambda _name: key), machine.bundle)
    kill = Killer(worker)
    admin = "export KUBECONFIG=/etc/kubernetes/admin.conf"

    def join() -> Output:
        token = control.run(f"{admin}; kubeadm token create --ttl 5m").stdout.strip()
        authority = ca_hash(control.run("cat /etc/kubernetes/pki/ca.crt").stdout) or ""
        document = render("kubeadm/join.yaml.j2", document=join_configuration(spec, worker.host, token=token, ca_hash=authority))
        script = render("host/join.sh.j2", **step_values.join_values(spec, worker.host))
        folder = "export SIXSTACK_STEP_DIR=/run/join; mkdir -p -m 0700 /run/join"
        return worker.run(f"{folder}; printf '%s' {shlex.quote(document)} >/run/join/join.yaml\n{script}")

    control.reset()
    control.prepare()
    control.images()
    control.init()
    before = worker.look()
    try:
        for number in itertools.count(1):
            worker.prepare()
            killed = kill.killed_at(number, join)
            assert "join" in join().stdout
            worker.run("rm -rf /run/join")
            worker.reset()
            control.run(f"{admin}; kubectl delete node {worker.host.name} --ignore-not-found")
            assert changes(before, worker.look()) == [], f"after a kill at call {number}"
            if not killed:
                break
        assert number > 2
    finally:
        worker.run(REMOVE)
        worker.reset()
        worker.session.close()
        control.reset()
