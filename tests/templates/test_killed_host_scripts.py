"""The host scripts, killed at every point: the next attempt finishes, and a reset leaves the owner's files as they were.

Programs first in PATH stand in for the real rm, mv, cp, stat, sync, touch and systemctl: they count the calls, kill the whole script at the call that
a test asks for, and otherwise run the real program.

`make test` kills at a few calls, by number. `make test-long` kills at the first call in every state of the host: two calls between which the host
does not change are one point. What the host is like at a call is in STATE. A test ends when an attempt meets no new state.
"""

from __future__ import annotations

import random
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

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
from lab import hosts
from lab.spec import cluster_document
from tasks.load_bundle import is_runtime_file
from templates import render
from tests import lived_in
from tests.conftest import LAB, say
from tests.templates.test_host_scripts_on_a_host import Machine, changes, machine

__all__ = ["machine"]  # the fixture

pytestmark = [pytest.mark.lab, pytest.mark.bundle]

PROGRAMS = "rm mv cp stat sync touch systemctl"
SAMPLE = 4  # points of each script in `make test`
MANY = 400  # attempts: a script whose states are new each time would never end

# What a host script changes, without what programs of the cluster change by themselves: names, types, modes, owners and link targets; sizes except
# of certificates, which differ by some bytes, and of files that are not complete; links, forwarding, and the calls of systemctl so far, which change units.
FILES = r"""
find /etc/containerd /etc/cni /etc/systemd/system /etc/hosts* /etc/fstab* /etc/sysctl.d /etc/modules-load.d /etc/kubernetes /opt /usr/local \
  /usr/libexec /var/lib/sixstack \( -path '/var/lib/sixstack/steps/*' -o -path '*/unfinished/*' \) -prune \
  -o \( -path '/etc/kubernetes*' -o -name '*.sixstack-new' \) -printf '%p %y %m %U %G %l\n' -o -printf '%p %y %m %U %G %s %l\n'
"""
# For a script that does the same to many files, where another test kills at each file.
FOLDERS = r"""
find /etc/kubernetes /etc/cni /etc/containerd /opt/cni /var/lib/sixstack -maxdepth 1 ! -name '*.sixstack-new' -printf '%p %y %m %U %G\n'
"""
STATE = r"""
find /var/lib/kubelet /var/lib/etcd /var/lib/cni /run/containerd /run/netns -maxdepth 1 -printf '%p %y\n'
read -r ipv4 </proc/sys/net/ipv4/ip_forward; read -r ipv6 </proc/sys/net/ipv6/conf/all/forwarding
echo "$ipv4 $ipv6" /sys/class/net/*
"""
# in /tmp, which tests do not compare
INSTALL = rf"""
mkdir -p /tmp/kill /usr/local/sbin; : >/tmp/kill/units; echo 0 >/tmp/kill/count
for name in {PROGRAMS}; do
  cat >"/usr/local/sbin/$name" <<'END'
#!/bin/sh
name=${{0##*/}}
read -r count </tmp/kill/count; read -r at </tmp/kill/at
count=$((count + 1)); echo "$count" >/tmp/kill/count
if [ "$at" = new ]; then
  state=$(. /tmp/kill/state 2>/dev/null | sort - /tmp/kill/units | md5sum)
  if ! grep -qsxF "$state" /tmp/killed; then
    echo "$state" >>/tmp/killed
    echo "$name $*" >/tmp/kill/killed
    at=$count
  fi
fi
if [ "$count" = "$at" ]; then
  /bin/kill -s KILL -- "-$(/usr/bin/ps -o pgid= -p $$ | /usr/bin/tr -d ' ')"
fi
if [ "$name" = systemctl ]; then echo "$*" >>/tmp/kill/units; fi
exec "/usr/bin/$name" "$@"
END
  chmod 755 "/usr/local/sbin/$name"
done
"""
REMOVE = f"for name in {PROGRAMS}; do /usr/bin/rm -f /usr/local/sbin/$name; done; /usr/bin/rm -rf /tmp/kill"


class Killer:
    """Runs parts of a cluster's life on a host, and kills one of them at its n-th call."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.last_call = ""  # at which a new state was found

    def killed_at(self, number: int, part: Callable[[], object]) -> bool:
        """Run `part`, which is killed at its call `number`; False when it ended before."""
        return self._calls(str(number), part) >= number

    def killed_in_a_new_state(self, part: Callable[[], object], files: str = FILES) -> str:
        """Run `part`, which is killed at the first call in a state in which it was never killed; the call, or nothing when it ended before."""
        self._calls("new", part, files + STATE)
        return self.last_call

    def forget_states(self) -> None:
        """All states are new again."""
        self.machine.run("rm -f /tmp/killed")

    def _calls(self, at: str, part: Callable[[], object], state: str = "") -> int:
        """Run `part` with the programs in place; how many calls it made. What it raises is what a kill does, unless nothing was killed."""
        self.machine.run(f"{INSTALL}\necho {at} >/tmp/kill/at; cat >/tmp/kill/state <<'END'\n{state}END\n")
        raised: Exception | None = None
        try:
            part()
        except (AssertionError, HostUnreachable, StepFailed, StepTimedOut) as error:
            raised = error
        seen = self.machine.run(f"/usr/bin/cat /tmp/kill/count; /usr/bin/cat /tmp/kill/killed 2>/dev/null; {REMOVE}").stdout.splitlines()
        self.last_call = " ".join(seen[1:])
        if raised is not None and not self.last_call and (at == "new" or int(seen[0]) < int(at)):
            raise raised
        return int(seen[0])

    def upload(self) -> None:
        """Some of the bundle's files, of which the owner has a program, a link and a plug-in; and a unit."""
        wanted = ("ctr", "runc", "bridge", "10-kubeadm.conf")
        some = [file for file in self.machine.files() if file.target is not None and file.target.name in wanted]
        upload_files(self.machine.session, self.machine.bundle, some)

    def prepare(self) -> None:
        """prepare.sh with a mirror where the owner has one."""
        document = self.machine.spec.model_dump()
        document["images"]["mirrors"] = {"docker.io": ("https://m.example",), "ghcr.io": ("https://m.example",)}
        document["proxy"]["http"] = "http://p.example:3128"
        spec = type(self.machine.spec).model_validate(document)
        done = self.machine.run(render("host/prepare.sh.j2", **step_values.prepare_values(spec, spec.hosts[0])), ok=False)
        assert done.ok, done.stderr

    def files(self) -> None:
        """Every unit of the bundle, and the programs that prepare.sh needs. (The other programs are files like these.)"""
        needed = [file for file in self.machine.files() if is_runtime_file(file)]
        upload_files(self.machine.session, self.machine.bundle, needed)


def sample(last: int, seed: str, size: int = SAMPLE) -> list[int]:
    """Some calls at which a script is killed, the same each time."""
    return sorted(random.Random(seed).sample(range(1, last + 1), size))


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
    kill: Killer, before: list[str], part: Callable[[], object], first: Callable[[], object], numbers: list[int]
) -> None:
    """Kill `part` at each of these calls, after `first`; then finish it or not, in turns, and reset."""
    for number in numbers:
        first()
        assert kill.killed_at(number, part), f"there are fewer than {number} calls"
        if number % 2:
            part()
        kill.machine.reset()
        assert changes(before, kill.machine.look()) == [], f"after a kill at call {number}"


class TestKilledAtSomeCalls:
    """One script of a cluster's life is killed."""

    def test_claim(self, killer: tuple[Killer, list[str]]) -> None:
        """Copies of the owner's files are complete, or the host has no owner."""
        kill, before = killer
        killed_and_finished(kill, before, kill.machine.claim, lambda: None, sample(40, "claim"))

    def test_upload(self, killer: tuple[Killer, list[str]]) -> None:
        """A file is the owner's or ours, never nobody's."""
        kill, before = killer
        killed_and_finished(kill, before, kill.upload, kill.machine.claim, sample(24, "upload"))
        assert kill.machine.run("ls /tmp | grep -c '^tmp'; true").stdout == "0\n"

    def test_prepare(self, killer: tuple[Killer, list[str]]) -> None:
        """Settings and files of the owner are remembered before they are changed."""
        kill, before = killer

        def first() -> None:
            kill.machine.claim()
            kill.files()

        killed_and_finished(kill, before, kill.prepare, first, sample(30, "prepare"))

    def test_reset(self, killer: tuple[Killer, list[str]]) -> None:
        """A reset that was killed is finished by the next, which never takes the owner's files for the cluster's."""
        kill, before = killer
        for number in sample(60, "reset"):
            kill.machine.claim()
            kill.files()
            kill.prepare()
            assert kill.killed_at(number, kill.machine.reset)
            kill.machine.reset()
            assert changes(before, kill.machine.look()) == [], f"after a kill at call {number}"


class TestKubeadmKilledAtSomeCalls:
    """kubeadm is killed, on the way to a cluster."""

    def test_init_and_join(self, killer: tuple[Killer, list[str]]) -> None:
        """The next attempt finishes what a killed kubeadm has begun, and one on a finished node changes nothing. After the reset, other people's
        files and packet-filter rules are there, in tables of their own and in those that Kubernetes uses, and nothing else."""
        machine, before = killer[0].machine, killer[1]
        spec, worker = two_hosts(machine)
        control, worker_before = Killer(replace(machine, spec=spec)), worker.look()
        try:
            control.machine.prepare()
            control.machine.programs()
            control.machine.images()
            # without the record of an unfinished attempt, this may be a control plane
            machine.run("mkdir -p /var/lib/etcd/member; echo x >/etc/kubernetes/admin.conf")
            refused = control.machine.init(ok=False)
            assert (refused.exit_code, "/etc/kubernetes/admin.conf" in refused.stderr) == (64, True)
            assert machine.run("cat /etc/kubernetes/admin.conf; ls -d /var/lib/etcd/member").stdout.split() == ["x", "/var/lib/etcd/member"]
            machine.run("rm -r /var/lib/etcd/member /etc/kubernetes/admin.conf")
            for number in sample(9, "init", 1):
                assert control.killed_at(number, control.machine.init)
            assert "initialized successfully" in control.machine.init().stdout
            tokens = machine.run("kubeadm token list --kubeconfig /etc/kubernetes/admin.conf -o json").stdout
            assert tokens.count('"kind": "BootstrapToken"') <= 1
            # kubelet dies, init is asked for again: started, never reset
            identity = machine.run("sha256sum /etc/kubernetes/pki/ca.crt; systemctl stop kubelet").stdout
            assert "already initialized" in control.machine.init().stdout
            assert machine.run("systemctl is-active kubelet >/dev/null && sha256sum /etc/kubernetes/pki/ca.crt").stdout == identity
            worker.prepare()
            worker.programs()
            for number in sample(5, "join", 1):
                assert Killer(worker).killed_at(number, lambda: worker.join(control.machine))
            worker.join(control.machine)
            machine.run(registered(worker.host.name))
            # kube-proxy has put its tables in place
            machine.run(
                "until nft list table ip6 kube-proxy >/dev/null 2>&1 && nft list table ip kube-proxy >/dev/null 2>&1; do sleep 0.2; done"
            )
            worker.reset()
            control.machine.reset()
            assert changes(worker_before, worker.look()) == []
            assert changes(before, machine.look()) == []
        finally:
            worker.run(REMOVE)
            worker.reset()
            worker.session.close()


def finish_or_reset_after_every_kill(kill: Killer, before: list[str], part: Callable[[], object], first: Callable[[], object]) -> None:
    """Kill `part` once in each of its states. A reset follows, in turns after another attempt that finishes; nothing of the owner's is lost."""
    kill.forget_states()
    begin, kills = time.monotonic(), 0
    while True:
        first()
        call = kill.killed_in_a_new_state(part)
        if call and kills % 2:
            part()
        kill.machine.reset()
        assert changes(before, kill.machine.look()) == [], f"after a kill at `{call}`"
        if not call:
            break
        kills += 1
        assert kills < MANY
    assert kills > 5
    say(f"{kills} kills of one script, each finished or reset, in {time.monotonic() - begin:.0f} s")


def finish_after_every_kill(kill: Killer, part: Callable[[], object], files: str = FILES) -> None:
    """Kill `part` once in each of its states, where each attempt begins with what the kill before has left; the last attempt finishes.

    For scripts that go on where they were, and do not begin again: each attempt of those would be in a new state.
    """
    kill.forget_states()
    begin, calls = time.monotonic(), list[str]()
    while call := kill.killed_in_a_new_state(part, files):
        calls.append(call)
        assert len(calls) < MANY
    assert len(calls) > 5
    say(f"{len(calls)} kills of one script, each attempt after the one before, in {time.monotonic() - begin:.0f} s")


@pytest.mark.long
class TestKilledInEveryState:
    """As above, and whatever the host is like at a call."""

    def test_claim(self, killer: tuple[Killer, list[str]]) -> None:
        """What was copied is complete, or not there."""
        kill, before = killer
        finish_or_reset_after_every_kill(kill, before, kill.machine.claim, lambda: None)

    def test_upload(self, killer: tuple[Killer, list[str]]) -> None:
        """Some files are the owner's, some the cluster's."""
        kill, before = killer
        finish_or_reset_after_every_kill(kill, before, kill.upload, kill.machine.claim)

    def test_prepare(self, killer: tuple[Killer, list[str]]) -> None:
        """Some settings are the owner's, some the cluster's."""
        kill, before = killer

        def first() -> None:
            kill.machine.claim()
            kill.files()

        finish_or_reset_after_every_kill(kill, before, kill.prepare, first)

    def test_reset(self, killer: tuple[Killer, list[str]]) -> None:
        """Of a prepared host, at each of its files."""
        kill, before = killer
        kill.machine.claim()
        kill.files()
        kill.prepare()
        finish_after_every_kill(kill, kill.machine.reset)
        assert changes(before, kill.machine.look()) == []

    def test_init_join_and_reset(self, killer: tuple[Killer, list[str]]) -> None:
        """A control plane and a worker come and go. kubeadm's own calls of systemctl count too."""
        kill, before = killer
        spec, worker = two_hosts(kill.machine)
        control = Killer(replace(kill.machine, spec=spec))
        joining, worker_before = Killer(worker), worker.look()
        try:
            for number in sample(9, "init", 1):
                control.machine.prepare()
                control.machine.programs()
                control.machine.images()
                assert control.killed_at(number, control.machine.init)
                control.machine.reset()
                assert changes(before, control.machine.look()) == [], f"after a kill of init at call {number}"
            control.machine.prepare()
            control.machine.programs()
            control.machine.images()
            finish_after_every_kill(control, control.machine.init)
            assert "already initialized" in control.machine.init().stdout
            assert control.machine.run("cd /var/lib/sixstack; ls -d init*").stdout == "initialized\n"
            worker.prepare()
            worker.programs()
            finish_after_every_kill(joining, lambda: worker.join(control.machine))
            assert "already joined" in worker.join(control.machine).stdout
            control.machine.run(registered(worker.host.name))
            finish_after_every_kill(joining, worker.reset, FOLDERS)
            assert changes(worker_before, worker.look()) == []
            finish_after_every_kill(control, control.machine.reset, FOLDERS)
            assert changes(before, control.machine.look()) == []
        finally:
            worker.run(REMOVE)
            worker.reset()
            worker.session.close()


ADMIN = "export KUBECONFIG=/etc/kubernetes/admin.conf KUBECACHEDIR=/tmp/kube"


def registered(node: str) -> str:
    """A command that fails when the node does not appear. kubeadm join ends when kubelet has its certificate, which may be before it registers its node."""
    return f"{ADMIN}; kubectl wait --for=create --timeout=60s node/{node}"


class Worker(Machine):
    """The second host of the lab."""

    @property
    def host(self) -> Host:
        """A worker."""
        return self.spec.hosts[1]

    def join(self, control: Machine) -> Output:
        """kubeadm join, with a new token."""
        token = control.run(f"{ADMIN}; kubeadm token create --ttl 5m").stdout.strip()
        authority = ca_hash(control.run("cat /etc/kubernetes/pki/ca.crt").stdout) or ""
        document = render("kubeadm/join.yaml.j2", document=join_configuration(self.spec, self.host, token=token, ca_hash=authority))
        script = render("host/join.sh.j2", **step_values.join_values(self.spec, self.host))
        folder = "export SIXSTACK_STEP_DIR=/run/join; mkdir -p -m 0700 /run/join; trap '/usr/bin/rm -r /run/join' EXIT"
        return self.run(f"{folder}; printf '%s' {shlex.quote(document)} >/run/join/join.yaml\n{script}")


def two_hosts(machine: Machine) -> tuple[ResolvedSpec, Worker]:
    """The cluster of two hosts of the lab, and its worker."""
    lab = hosts.lab_of(LAB)
    found = hosts.status(LAB)
    reading = read_document(cluster_document(lab, found[:2], StackMode.DUAL_STACK, Family.IPV6))
    assert reading.spec is not None, reading.problems
    spec = ResolvedSpec.of(reading.spec)
    key = Credential(private_key=lab.key_file.read_text())
    return spec, Worker(spec, Session.open(found[1].name, spec.hosts[1].ssh, lambda _name: key), machine.bundle)
