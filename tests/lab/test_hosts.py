"""Labs that are really booted."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Family
from demo.local_prefect import SIXSTACK
from lab import hosts
from lab.network import read_machine_networks
from tests.lab.machine import remains, settings, ssh

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lab(own_lab: str) -> Iterator[str]:
    """Two hosts of both families; the machine's settings must be the same afterwards."""
    before = settings()
    hosts.up(own_lab, hosts=2)
    yield own_lab
    hosts.down(own_lab)
    assert settings() == before


def _in(lab: str, host: str, script: str) -> str:
    done = hosts.run_in(host, ["sh", "-c", script], lab)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_host_answers_openssh_with_its_pinned_key_over_both_families(lab: str, tmp_path: Path) -> None:
    """OpenSSH, told to trust only the key that `lab status` shows, logs in to each address as root."""
    for host in hosts.status(lab):
        for address in host.addresses:
            known = tmp_path / f"known-{host.name}-{address.version}"
            known.write_text(f"{address} {host.host_key}\n")
            done = ssh(hosts.lab_of(lab).key_file, "root", str(address), "hostname; systemctl is-system-running", known)
            assert done.stdout.split() == [host.name, "running"], done.stderr


def test_hosts_differ_in_all_that_must_differ(lab: str) -> None:
    """Machine id, boot id, host key, MAC address and name are each host's own."""
    script = (
        "cat /etc/machine-id /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub /sys/class/net/host0/address /etc/hostname"
    )
    one, other = (_in(lab, host.name, script).splitlines() for host in hosts.status(lab))
    assert len(one) == len(other) == 5
    assert not set(one) & set(other)


def test_sudo_asks_ops_for_the_password_and_deploy_for_nothing(lab: str) -> None:
    """The two users of the sudo tests are what they should be."""
    found, key = hosts.status(lab)[0], hosts.lab_of(lab).key_file
    address = str(found.addresses[0])
    assert ssh(key, "ops", address, "sudo -n id -u").returncode == 1
    password = hosts.lab_of(lab).sudo_password()
    trust = ["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    asked = subprocess.run(
        ["ssh", *trust, "-i", str(key), f"ops@{address}", "sudo -k -S -p '' id -u"],
        input=password + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert asked.stdout.strip() == "0", asked.stderr
    assert ssh(key, "deploy", address, "sudo -n id -u").stdout.strip() == "0"


def test_a_host_is_bare(lab: str) -> None:
    """Nothing is there that the product has to bring; what a Debian server has is."""
    script = (
        "for p in containerd runc kubelet kubeadm zstd conntrack iptables curl nft modprobe gzip tar sudo losetup; do command -v $p; done"
    )
    there = hosts.run_in(f"{lab}-1", ["sh", "-c", script], lab).stdout
    assert [Path(line).name for line in there.split()] == ["nft", "modprobe", "gzip", "tar", "sudo", "losetup"]


def test_a_host_has_what_kubelet_and_a_container_runtime_need(lab: str) -> None:
    """cgroups can be made, mounts propagate, the kernel log, bpffs and net sysctls are there."""
    _in(
        lab,
        f"{lab}-1",
        """
        set -e
        for folder in $(awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts); do mkdir "$folder/lab-test"; rmdir "$folder/lab-test"; done
        test "$(findmnt -no PROPAGATION /)" = shared
        test "$(stat -fc %T /sys/fs/bpf)" = bpf_fs
        test -c /dev/kmsg
        for folder in containerd kubelet etcd; do test "$(stat -fc %T /var/lib/$folder)" != overlayfs; done
        sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        sysctl --system > /dev/null
        sysctl -q -w vm.overcommit_memory=1 kernel.panic=10 kernel.panic_on_oops=1
        """,
    )


def test_a_host_can_not_touch_what_is_the_machines(lab: str) -> None:
    """Clock, swap and the sysctls that are not its own are refused to root over SSH; what kubelet sets stays within the host."""
    found, key = hosts.status(lab)[1], hosts.lab_of(lab).key_file
    before = settings()
    script = """
    date -s 2001-01-01 >/dev/null && echo clock
    sysctl -q -w kernel.pid_max=70000 && echo pid_max
    fallocate -l 4M /var/lib/etcd/swap; chmod 600 /var/lib/etcd/swap; mkswap /var/lib/etcd/swap >/dev/null; swapon /var/lib/etcd/swap && echo swap
    rm /var/lib/etcd/swap
    sysctl -q -w vm.overcommit_memory=1 kernel.panic=77 vm.swappiness=3 fs.inotify.max_user_instances=1234 net.ipv4.ip_forward=1
    cat /proc/sys/kernel/panic /proc/sys/fs/inotify/max_user_instances
    tail -n +2 /proc/swaps
    """
    assert ssh(key, "root", str(found.addresses[0]), script).stdout.split() == ["77", "1234"]
    assert settings() == before


def test_up_again_changes_nothing_and_is_quick(lab: str) -> None:
    """Hosts that run are left running."""
    before = [_in(lab, host.name, "cat /proc/sys/kernel/random/boot_id") for host in hosts.status(lab)]
    said: list[str] = []
    start = time.monotonic()
    hosts.up(lab, report=said.append)
    assert time.monotonic() - start < 60
    assert said == []
    assert [_in(lab, host.name, "cat /proc/sys/kernel/random/boot_id") for host in hosts.status(lab)] == before


def test_another_release_of_debian_is_refused_and_the_hosts_stay(lab: str) -> None:
    """Their disks belong to their release; a release that no lab can have is a wrong argument."""
    before = [_in(lab, host.name, "cat /proc/sys/kernel/random/boot_id") for host in hosts.status(lab)]
    with pytest.raises(EnvironmentFault, match=f"have Debian 12, not 13: .*lab down --lab {lab}"):
        hosts.up(lab, debian=13)
    with pytest.raises(ValueError, match="12 or 13, got 11"):
        hosts.up(lab, debian=11)
    assert hosts.lab_of(lab).debian == 12
    hosts.up(lab, debian=12)
    assert [_in(lab, host.name, "cat /proc/sys/kernel/random/boot_id") for host in hosts.status(lab)] == before


def test_after_a_power_failure_a_host_comes_back_with_its_disk(lab: str) -> None:
    """Its files and its host key are the same, its boot id is another; the other host never noticed."""
    script = "cat /proc/sys/kernel/random/boot_id"
    keys = [host.host_key for host in hosts.status(lab)]
    boots = [_in(lab, host.name, script) for host in hosts.status(lab)]
    _in(lab, f"{lab}-2", "echo kept > /root/note; echo kept > /var/lib/etcd/note; sync")
    hosts.power_off(f"{lab}-2", lab)
    assert [host.state for host in hosts.status(lab)] == ["running", "off"]
    with pytest.raises(EnvironmentFault, match="lab up"):
        hosts.run_in(f"{lab}-2", ["true"], lab)
    hosts.up(lab)
    assert _in(lab, f"{lab}-2", "cat /root/note /var/lib/etcd/note") == "kept\nkept\n"
    assert [host.host_key for host in hosts.status(lab)] == keys
    assert [_in(lab, host.name, script) == boot for host, boot in zip(hosts.status(lab), boots, strict=True)] == [True, False]


def test_a_reboot_from_within_comes_back_by_itself(lab: str) -> None:
    """`systemctl reboot` in a host boots it again without any `lab up`."""
    machine = hosts.machine_of(f"{lab}-1", lab)
    boot = _in(lab, machine.name, "cat /proc/sys/kernel/random/boot_id")
    hosts.run_in(machine.name, ["systemctl", "reboot"], lab)
    deadline = time.monotonic() + 180
    while (again := ssh(hosts.lab_of(lab).key_file, "root", str(machine.addresses[0]), "cat /proc/sys/kernel/random/boot_id").stdout) in (
        "",
        boot,
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert again != boot


def test_hosts_of_ipv6_alone_have_no_ipv4_address(lab: str) -> None:
    """After `up --families ipv6 --management ipv6` there is no IPv4 but loopback, in the hosts and on the bridge; and back again."""
    hosts.up(lab, families=(Family.IPV6,), management=(Family.IPV6,))
    for host in hosts.status(lab):
        assert [address.version for address in host.addresses] == [6]
        addresses = [info["local"] for link in json.loads(_in(lab, host.name, "ip -json -4 address")) for info in link["addr_info"]]
        assert addresses == ["127.0.0.1"]
        assert ":" in _in(lab, host.name, "cat /etc/resolv.conf")
    assert {network.version for network in read_machine_networks()[f"six-{lab}"]} == {6}
    hosts.up(lab, families=(Family.IPV4, Family.IPV6), management=(Family.IPV4, Family.IPV6))
    assert [[address.version for address in host.addresses] for host in hosts.status(lab)] == [[4, 6], [4, 6]]


def test_without_ipv6_on_the_bridge_the_machine_has_no_route_to_the_hosts_ipv6(lab: str) -> None:
    """`--management ipv4`: the hosts keep IPv6 among themselves, the machine can't reach it."""
    hosts.up(lab, management=(Family.IPV4,))
    one, other = hosts.status(lab)
    assert {network.version for network in read_machine_networks()[f"six-{lab}"]} == {4}
    key = hosts.lab_of(lab).key_file
    assert ssh(key, "root", str(one.addresses[1]), "true").returncode == 255
    assert ssh(key, "root", str(one.addresses[0]), f"ping -6 -c 1 -W 2 {other.addresses[1]}").returncode == 0
    hosts.up(lab, management=(Family.IPV4, Family.IPV6))
    assert ssh(key, "root", str(one.addresses[1]), "true").returncode == 0


def test_two_labs_run_side_by_side(lab: str) -> None:
    """A second lab has other addresses; taking it down leaves the first alone and nothing of itself."""
    other = f"{lab}b"
    try:
        hosts.up(other, hosts=1)
        mine = {address for host in hosts.status(lab) for address in host.addresses}
        theirs = {address for host in hosts.status(other) for address in host.addresses}
        assert not mine & theirs
        key = hosts.lab_of(other).key_file
        assert ssh(key, "root", str(hosts.status(other)[0].addresses[0]), "hostname").stdout.strip() == f"{other}-1"
    finally:
        hosts.down(other)
    assert remains(other) == ""
    assert [host.state for host in hosts.status(lab)] == ["running", "running"]


def test_fewer_hosts_throw_the_surplus_away(lab: str) -> None:
    """`--hosts 1` removes the second host with its disk; `--hosts 2` makes a new one."""
    old = hosts.status(lab)[1].host_key
    _in(lab, f"{lab}-2", "echo old > /root/note")
    hosts.up(lab, hosts=1)
    assert [host.name for host in hosts.status(lab)] == [f"{lab}-1"]
    hosts.up(lab, hosts=2)
    assert hosts.run_in(f"{lab}-2", ["test", "-e", "/root/note"], lab).returncode == 1
    assert hosts.status(lab)[1].host_key != old


def test_the_command_shows_what_the_functions_know(lab: str) -> None:
    """`sixstack lab status --output json` and `lab spec` are fit for programs."""
    main = [*SIXSTACK, "lab"]
    status = subprocess.run(
        [*main, "status", "--lab", lab, "--output", "json"], capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=60
    )
    shown = json.loads(status.stdout)
    assert [tuple(map(ip_address, host["addresses"])) for host in shown["hosts"]] == [host.addresses for host in hosts.status(lab)]
    assert [host["state"] for host in shown["hosts"]] == ["running", "running"]
    assert hosts.lab_of(lab).sudo_password() not in status.stdout
    spec = subprocess.run(
        [*main, "spec", "--lab", lab, "--stack", "ipv6"], capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=60
    )
    assert shown["hosts"][0]["host_key"] in spec.stdout
    for wrong, code in (
        (["status", "--lab", "Not-A-Name"], 2),
        (["status", "--lab", "nolab"], 1),
        (["spec", "--lab", "nolab", "--stack", "ipv4"], 3),
    ):
        assert subprocess.run([*main, *wrong], capture_output=True, check=False, cwd=REPOSITORY, timeout=60).returncode == code


def test_down_leaves_nothing_and_works_twice(own_lab: str) -> None:
    """Processes, mounts, links, cgroups, folders, claims: all gone; another `down` is harmless, and `status` knows of nothing."""
    hosts.up(own_lab, hosts=1)
    assert remains(own_lab) != ""
    hosts.down(own_lab)
    assert remains(own_lab) == ""
    hosts.down(own_lab)
    assert hosts.status(own_lab) == ()
    assert os.environ.get("SIXSTACK_LAB_STATE") or not Path(f"/var/lib/sixstack-lab/{own_lab}").exists()
