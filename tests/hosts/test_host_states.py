"""States of real hosts that break a cluster, or that break it later: each is reported from the facts, with its remedy, before anything changes.

What belongs to the whole machine (kernel modules, inotify, cgroups, clocks) is a file bound over the one in /proc, or a command first in PATH.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hosts.facts import gather
from hosts.session import Session
from tests.conftest import LAB
from tests.hosts.conftest import LabMachine
from tests.hosts.one_host import one_host, problems_of
from tests.lab import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.host import Machine

pytestmark = pytest.mark.lab

LIMIT = timedelta(seconds=30)


@dataclass(frozen=True)
class State:
    """A state of a host, what undoes it, and what the rules find."""

    script: str
    undo: str
    codes: set[str]
    words: str
    fields: dict[str, Any]


def _state(script: str, undo: str, codes: str, words: str, **fields: Any) -> State:
    return State(script, undo, set(codes.split()), words, fields)


WRITE_RESOLVER = "cp /etc/resolv.conf /root/resolv.conf; printf '{}' >/etc/resolv.conf"
UNDO_RESOLVER = "cat /root/resolv.conf >/etc/resolv.conf; rm /root/resolv.conf"
STATES = {
    "docker0-in-the-pod-range": _state(
        "ip link add docker0 type bridge; ip address add 10.244.0.1/16 dev docker0; ip link set docker0 up",
        "ip link delete docker0",
        "range-on-hosts",
        "docker0 has 10.244.0.1/16",
    ),
    "a-link-in-the-service-range": _state(
        "ip link add eth9 type veth peer name eth8; ip address add 10.96.0.11/16 dev eth9; ip link set eth9 up",
        "ip link delete eth9",
        "range-on-hosts",
        "eth9 has 10.96.0.11/16",
    ),
    "a-route-in-the-pod-range": _state(
        "ip -6 route add fd44:0:0:12::/64 dev host0; ip route add blackhole 10.244.7.0/24",
        "ip -6 route del fd44:0:0:12::/64 dev host0; ip route del blackhole 10.244.7.0/24",
        "range-on-hosts",
        "route to fd44:0:0:12::/64 on host0",
    ),
    "a-route-around-the-ranges": _state(
        "ip route add 10.0.0.0/8 dev host0", "ip route del 10.0.0.0/8 dev host0", "range-in-host-network", "route to 10.0.0.0/8"
    ),
    "ipv6-disabled-on-new-links": _state(
        "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6",
        "echo 0 >/proc/sys/net/ipv6/conf/default/disable_ipv6",
        "ipv6-disabled",
        "new links",
    ),
    "ipv6-disabled-on-loopback": _state(
        "echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6", "echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6", "ipv6-disabled", "on lo"
    ),
    "noexec-on-opt": _state(
        "mount --bind /opt /opt; mount -o remount,bind,noexec /opt", "umount /opt", "mount-noexec", "/opt is mounted noexec"
    ),
    "read-only-etc": _state(
        "mount --bind /etc /etc; mount -o remount,bind,ro /etc", "umount /etc", "mount-read-only", "/etc is mounted read-only"
    ),
    "noexec-on-volumes": _state(
        "mount -o remount,bind,noexec /var/lib/kubelet",
        "mount -o remount,bind,exec /var/lib/kubelet",
        "mount-restricts-volumes",
        "/var/lib/kubelet is mounted noexec",
    ),
    "a-name-server-with-a-zone": _state(
        WRITE_RESOLVER.format(r"nameserver fe80::1%%host0\n"), UNDO_RESOLVER, "name-server-unusable", "fe80::1 (link-local)"
    ),
    "a-name-server-that-is-the-pod-itself": _state(
        WRITE_RESOLVER.format(r"nameserver 0.0.0.0\nnameserver 198.18.0.1\n"), UNDO_RESOLVER, "name-server-partly-unusable", "0.0.0.0"
    ),
    "a-resolver-file-that-is-missing": _state(
        "true",
        "true",
        "resolver-file-missing",
        "/run/systemd/resolve/resolv.conf",
        kubeadm={
            "kubelet": {"failCgroupV1": False, "resolvConf": "/run/systemd/resolve/resolv.conf"},
            "ignore_preflight": ["SystemVerification"],
        },
    ),
    "networkd-on-every-link": _state(
        r"printf '[Match]\nName=*\n[Network]\nDHCP=yes\n' >/etc/systemd/network/99-all.network",
        "rm /etc/systemd/network/99-all.network",
        "links-of-pods-managed",
        "/etc/systemd/network/99-all.network",
    ),
    "two-links": _state(
        "ip link add eth9 type veth peer name eth8; ip link set eth8 up; ip -6 address add fd77::9/64 dev eth9 nodad; ip link set eth9 up; ip -6 route replace default via fd77::1 dev eth9 metric 1; "
        "ip -6 route del default dev host0",
        "ip -6 route del default dev eth9; ip link delete eth9; networkctl reconfigure host0; until ip -6 route show default | grep -q host0; do sleep 0.1; done",
        "addresses-on-two-links",
        "fd77::9 is on eth9",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_a_real_host_is_reported(name: str, machine: LabMachine, lab_machine: Machine, root_session: Session) -> None:
    """While it lasts, with what was found; before and afterwards the host is good."""
    state = STATES[name]
    assert problems_of(one_host(machine), root_session) == ()
    with faults.changed(lab_machine, state.script, state.undo):
        found = problems_of(one_host(machine, **state.fields), root_session)
    assert {problem.code for problem in found} == state.codes, found
    assert any(state.words in problem.message for problem in found), found
    assert all(problem.path.startswith(f"hosts/{machine.name}/") and problem.hint for problem in found)
    assert problems_of(one_host(machine), root_session) == ()


STAND_INS: dict[str, tuple[Callable[[Machine], AbstractContextManager[None]], str, str]] = {
    "kernel-without-vxlan-bound-over-proc": (
        lambda machine: faults.kernel_without(machine, "CONFIG_VXLAN", "vxlan"),
        "kernel-module-missing",
        "no module vxlan",
    ),
    "kernel-without-overlay-bound-over-proc": (
        lambda machine: faults.kernel_without(machine, "CONFIG_OVERLAY_FS", "overlay"),
        "kernel-module-missing",
        "no module overlay",
    ),
    "inotify-limit-bound-over-proc": (
        lambda machine: faults.file_shown(machine, "/proc/sys/fs/inotify/max_user_instances", "64"),
        "inotify-limit-low",
        "max_user_instances is 64",
    ),
    "no-inotify-instances-with-a-stand-in-for-perl": (
        lambda machine: faults.stand_in(machine, "perl", "printf 0"),
        "inotify-exhausted",
        "0 free inotify instances",
    ),
    "clock-with-a-stand-in-for-date": (
        lambda machine: faults.stand_in(machine, "date", "echo $(($(/bin/date +%s) - 6 * 365 * 86400)).0"),
        "clock-off",
        "2190 days behind the clock of the worker",
    ),
}


@pytest.mark.parametrize("name", STAND_INS)
def test_a_state_of_the_whole_machine_is_reported_with_a_stand_in(
    name: str, machine: LabMachine, lab_machine: Machine, root_session: Session
) -> None:
    """What the test cannot set, because other hosts share it, is shown to the facts instead."""
    make, code, words = STAND_INS[name]
    with make(lab_machine):
        found = problems_of(one_host(machine), root_session)
    assert {problem.code for problem in found} == {code}, found
    assert any(words in problem.message for problem in found), found
    assert problems_of(one_host(machine), root_session) == ()


@pytest.mark.parametrize(("kind", "codes"), [("tmpfs", {"cgroup-v1"}), ("cgroup2fs", set())])
def test_cgroup_v1_is_reported_with_a_stand_in_for_stat(
    kind: str, codes: set[str], machine: LabMachine, lab_machine: Machine, root_session: Session
) -> None:
    """Unless the file permits it."""
    with faults.stand_in(lab_machine, "stat", f'case $* in *cgroup) echo {kind} ;; *) exec /usr/bin/stat "$@" ;; esac'):
        found = problems_of(one_host(machine, kubeadm={}), root_session)
    assert {problem.code for problem in found} == codes


@pytest.mark.parametrize(("lifetime", "codes"), [("0", {"address-at-risk"}), ("1800", {"address-at-risk", "default-route-at-risk"})])
def test_an_address_of_a_router_advertisement_is_reported(
    lifetime: str, codes: set[str], machine: LabMachine, lab_machine: Machine, root_session: Session
) -> None:
    """Also without a default route from the router. With `prepare: {accept_ra: true}`, the prepare step sets accept_ra to 2."""
    link = "ra0"
    with faults.link_to_a_router(lab_machine), faults.advertised(lab_machine, lifetime, "fd88::"):
        root_session.run(f"until ip -6 -o address show dev {link} | grep -q fd88; do sleep 0.1; done", limit=LIMIT)
        root_session.run(f"until ! ip -6 address show dev {link} tentative | grep -q inet6; do sleep 0.1; done", limit=LIMIT)
        spec = one_host(machine, hosts=[{**one_host(machine).hosts[0].model_dump(mode="json"), "addresses": list(machine.addresses)}])
        forbidden = spec.model_copy(update={"prepare": spec.prepare.model_copy(update={"accept_ra": False})})
        found = problems_of(forbidden, root_session)
        permitted = problems_of(spec, root_session)
    assert {problem.code for problem in found} == codes, found
    assert all(link in problem.message for problem in found)
    assert permitted == ()


def rebooted(machine: LabMachine) -> Session:
    """Reboot the host, and log in again."""
    from lab import hosts

    hosts.power_off(machine.name, LAB)
    hosts.up(LAB)
    return machine.open()


FORWARDING = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"


def test_a_setting_that_is_lost_at_boot_is_reported_before_and_after_the_boot(machine: LabMachine, lab_machine: Machine) -> None:
    """amazon-eks-ami#746: /etc/sysctl.conf, which Debian reads last. The boot shows that the rule is right, and that its remedy helps."""
    ours = "printf 'net.ipv4.ip_forward = 1\\nnet.ipv6.conf.all.forwarding = 1\\n' >/etc/sysctl.d/90-sixstack.conf; "
    theirs = "ln -sf ../sysctl.conf /etc/sysctl.d/99-sysctl.conf; printf 'net.ipv4.ip_forward = 0\\n' >/etc/sysctl.conf"
    undo = "rm -f /etc/sysctl.d/90-sixstack.conf /etc/sysctl.d/99-sysctl.conf /etc/sysctl.conf"
    with ExitStack() as stack:
        stack.enter_context(faults.changed(lab_machine, ours + theirs, undo))
        before = problems_of(one_host(machine), stack.enter_context(closing(machine.open())))
        session = stack.enter_context(closing(rebooted(machine)))
        assert session.run(FORWARDING, limit=LIMIT).stdout.split() == ["0", "1"]
        after = problems_of(one_host(machine), session)
        for found in (before, after):
            assert [problem.code for problem in found] == ["setting-lost-at-boot"]
            assert "/etc/sysctl.d/99-sysctl.conf -> ../sysctl.conf sets net.ipv4.ip_forward to 0" in found[0].message
        # the remedy of the hint
        session.run("sed -i /ip_forward/d /etc/sysctl.conf", limit=LIMIT)
        assert problems_of(one_host(machine), session) == ()
        session = stack.enter_context(closing(rebooted(machine)))
        assert session.run(FORWARDING, limit=LIMIT).stdout.split() == ["1", "1"]
        assert problems_of(one_host(machine), session) == ()


def test_network_manager_and_systemd_resolved_are_reported_before_and_after_a_boot(machine: LabMachine, lab_machine: Machine) -> None:
    """Debian's packages. NetworkManager manages links of pods until the file of the hint says otherwise; pods get the name servers of
    systemd-resolved, which has none here."""
    unmanaged = "/etc/NetworkManager/conf.d/90-pods.conf"
    with ExitStack() as stack:
        faults.install(lab_machine, "network-manager", "systemd-resolved")
        stack.callback(faults.remove, lab_machine, "network-manager", "systemd-resolved")
        before = problems_of(one_host(machine), stack.enter_context(closing(machine.open())))
        session = stack.enter_context(closing(rebooted(machine)))
        after = problems_of(one_host(machine), session)
        for found in (before, after):
            assert {problem.code for problem in found} - {"no-name-server"} == {"links-of-pods-managed"}, found
        assert gather(session, machine.host()).resolver_file == "/run/systemd/resolve/resolv.conf"
        # the remedies of the hints
        names = "interface-name:flannel*;interface-name:cni0;interface-name:veth*"
        assert any(f"unmanaged-devices+={names}" in problem.hint for problem in after)
        write = f"printf '[keyfile]\\nunmanaged-devices+={names}\\n' >{unmanaged}; systemctl reload NetworkManager"
        assert session.run(write, limit=LIMIT).exit_code == 0
        network = {**one_host(machine).network.model_dump(mode="json"), "dns_upstreams": ["192.0.2.53"]}
        assert problems_of(one_host(machine, network=network), session) == ()
        shown = "ip link add cni0 type bridge; sleep 1; nmcli -t -f DEVICE,STATE device; ip link delete cni0"
        assert "cni0:unmanaged" in session.run(shown, limit=LIMIT).stdout
