"""What stands in a cluster's way on real hosts: named with the host, what was found and what to do, and nothing is changed anywhere."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from cluster.vocabulary.families import Family
from lab import hosts
from lab.host import Machine
from tests.conftest import LAB
from tests.flows.conftest import BareHosts
from tests.lab import faults
from tests.lived_in import changes

pytestmark = [pytest.mark.lab, pytest.mark.server]

# a key that no host has
WRONG_KEY = "ssh-ed25519 " + b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode()


@contextmanager
def file_there(machine: Machine, path: str, text: str) -> Iterator[None]:
    """While inside, the host has this file, and the folders it needs."""
    script = f'mkdir -p "$(dirname {path})"\ncat > {path}\n'
    hosts.run_in(machine.name, ["sh", "-euc", script], LAB, feed=text).check_returncode()
    try:
        yield
    finally:
        hosts.run_in(machine.name, ["sh", "-c", f'rm {path}; rmdir -p "$(dirname {path})" 2>/dev/null || true'], LAB).check_returncode()


def test_a_wrong_password(bare: BareHosts) -> None:
    """The user and the credential are named, the password is not shown."""
    bare.place.register({"wrong-password": {"password": "not-the-password-of-ops"}})
    document = bare.document
    bare.ops(document, 2, "wrong-password")
    said = bare.refused(document)
    assert f"hosts/{LAB}-2: " in said
    assert "ops" in said
    assert "wrong-password" in said
    assert "not-the-password-of-ops" not in said


def test_a_wrong_sudo_password(bare: BareHosts) -> None:
    """The login is good, sudo's password is not: said so."""
    key = hosts.lab_of(LAB).key_file.read_text()
    bare.place.register({"wrong-sudo": {"private_key": key, "sudo_password": "not-the-password-of-ops"}})
    document = bare.document
    bare.ops(document, 3, "wrong-sudo")
    said = bare.refused(document)
    assert f"hosts/{LAB}-3: sudo" in said
    assert "not-the-password-of-ops" not in said


def test_a_missing_credential_block(bare: BareHosts) -> None:
    """A block that is not there is named, with the way to make one; that is a matter of the surroundings (exit 3)."""
    document = bare.document
    document["hosts"][0]["ssh"]["credential"] = "nobody-made-this"
    done = bare.place.sixstack("plan", bare.place.write("refused.yaml", document))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "nobody-made-this" in done.stderr


def test_a_wrong_host_key(bare: BareHosts) -> None:
    """Both keys are named: the pinned one and the one that is shown."""
    document = bare.document
    document["hosts"][1]["ssh"]["host_key"] = WRONG_KEY
    said = bare.refused(document)
    assert f"{LAB}-2:" in said
    assert "host key" in said
    assert "SHA256:" in said


def test_an_unreachable_host(bare: BareHosts) -> None:
    """The address that does not answer is named."""
    document = bare.document
    document["hosts"][2]["ssh"]["address"] = "198.18.0.30"
    said = bare.refused(document)
    assert f"{LAB}-3: " in said
    assert "198.18.0.30" in said


def test_a_host_of_another_cluster(bare: BareHosts) -> None:
    """A host that was prepared for another cluster is refused by that cluster's name."""
    with file_there(bare.machine(2), "/var/lib/sixstack/owner", "elsewhere\n"):
        said = bare.refused(bare.document)
    assert re.search(rf"hosts/{LAB}-2/cluster: .*\belsewhere\b", said)
    assert "[host-has-another-cluster]" in said


def test_a_host_with_a_cluster_of_somebody_else(bare: BareHosts) -> None:
    """A kubeadm cluster that is not ours is told by its files, and never reset."""
    with file_there(bare.machine(3), "/etc/kubernetes/kubelet.conf", "apiVersion: v1\nkind: Config\n"):
        said = bare.refused(bare.document)
    assert re.search(rf"hosts/{LAB}-3/cluster: .*/etc/kubernetes/kubelet\.conf", said)


@pytest.mark.parametrize("program", ["docker", "containerd"])
def test_a_runtime_of_somebody_else(bare: BareHosts, program: str) -> None:
    """The unit and what to do with it are named."""
    with faults.foreign_service(bare.machine(1), program):
        said = bare.refused(bare.document)
    assert f"hosts/{LAB}-1/foreign: " in said
    assert f"{program}.service" in said
    assert "[foreign-runtime]" in said


def test_too_little_memory(bare: BareHosts) -> None:
    """What there is and what is needed are told in figures."""
    with faults.little_memory(bare.machine(1), 512):
        said = bare.refused(bare.document)
    assert re.search(rf"hosts/{LAB}-1/memory: .*\b512 MB\b.*\b1700 MB\b", said)


def test_a_busy_port(bare: BareHosts) -> None:
    """The port is named, and what for it is needed."""
    with faults.busy_port(bare.machine(1), 6443):
        said = bare.refused(bare.document)
    assert f"hosts/{LAB}-1/" in said
    assert "6443" in said


def test_a_firewall_in_the_way(bare: BareHosts) -> None:
    """The closed ports are listed with the command that opens them; it is not opened unasked."""
    with faults.firewall(bare.machine(3), "tcp dport 10250 drop", "udp dport 8472 drop"):
        said = bare.refused(bare.document)
    assert f"hosts/{LAB}-3/firewall: " in said
    assert "10250/tcp" in said
    assert "8472/udp" in said
    assert "nft insert rule" in said


def test_hosts_that_do_not_reach_each_other(bare: BareHosts) -> None:
    """What no look at one host shows is found by trying: a rule about one source, a packet that never leaves; the path, the family, the command."""
    first = bare.machine(1)
    with ExitStack() as stack:
        stack.enter_context(faults.firewall(bare.machine(2), f"ip6 saddr {first.addresses[1]} tcp dport 10250 drop"))
        stack.enter_context(faults.firewall(bare.machine(3), "ip daddr 198.18.0.0/24 udp dport 8472 drop", hook="output"))
        said = bare.refused(bare.document, "create")
    names = {number: bare.machine(number).name for number in (1, 2, 3)}
    assert re.search(rf"hosts/{names[2]}/connectivity: {names[1]} .*IPv6.*10250/tcp \(kubelet", said)
    assert re.search(rf"hosts/{names[3]}/connectivity: .*{names[1]}, {names[2]} .*IPv4.*8472/udp \(VXLAN", said)
    assert "[hosts-cannot-reach-each-other]" in said
    assert f"`nft insert rule CHAIN ip6 saddr {{ {first.addresses[1]} }} tcp dport {{ 10250 }} accept`" in said


def test_a_host_without_its_node_address(bare: BareHosts) -> None:
    """The address that is missing is named, and those that are there."""
    missing = bare.document["hosts"][1]["addresses"][1]
    with faults.without_address(bare.machine(2), Family.IPV6):
        said = bare.refused(bare.document)
    assert re.search(rf"hosts/{LAB}-2/addresses: .*{re.escape(str(missing))}", said)


def test_every_fault_of_every_host_at_once(bare: BareHosts) -> None:
    """The plan's JSON lists the faults of all hosts, hosts that cannot be reached beside those that were looked at."""
    document = bare.document
    document["hosts"][2]["ssh"]["host_key"] = WRONG_KEY
    with ExitStack() as stack:
        stack.enter_context(faults.busy_port(bare.machine(1), 10250))
        stack.enter_context(faults.little_memory(bare.machine(1), 512))
        stack.enter_context(faults.foreign_service(bare.machine(2), "docker"))
        stack.enter_context(faults.firewall(bare.machine(2), f"ip6 saddr {bare.machine(1).addresses[1]} udp dport 8472 drop"))
        before = bare.look()
        done = bare.place.sixstack("plan", bare.place.write("refused.yaml", document), "--output", "json")
        created = bare.place.sixstack("create", bare.place.write("refused.yaml", document))
        assert changes(before, bare.look()) == []
    assert done.returncode == 1, done.stdout + done.stderr
    found = {(problem["path"].split("/")[1], problem["code"]) for problem in json.loads(done.stdout)["problems"]}
    assert found >= {
        (f"{LAB}-1", "port-busy"),
        (f"{LAB}-1", "too-little-memory"),
        (f"{LAB}-2", "foreign-runtime"),
        (f"{LAB}-2", "hosts-cannot-reach-each-other"),
        (f"{LAB}-3", "host-not-inspected"),
    }
    assert created.returncode == 1, created.stdout + created.stderr
    for words in ("port-busy", "too-little-memory", "foreign-runtime", "hosts-cannot-reach-each-other", "host key"):
        assert words in created.stdout, created.stdout


def test_ten_faults_of_a_file_come_out_of_the_flow_together(bare: BareHosts) -> None:
    """The validate task reads the raw document as `sixstack check` does: syntax, type, unknown field and cross-field faults in one list."""
    document = bare.document
    document |= {"name": "Not A Name", "stak": "ipv4", "primary_family": "ipv5"}
    document["network"]["pods"][0]["cidr"] = "10.244.0.1/16"
    document["network"]["services"][1] = "fd44::/48"
    document["hosts"][0]["ssh"]["port"] = 99999
    document["hosts"][1]["ssh"]["address"] = "fe80::1"
    document["hosts"][1]["role"] = "queen"
    document["hosts"][2]["name"] = document["hosts"][0]["name"]
    document["cni"]["kind"] = "weave"
    deployment = bare.place.api("/deployments/name/create-cluster/default")
    before = bare.look()
    run = bare.place.api(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": {"cluster": document}})
    ended = bare.place.ended(run["id"])
    assert ended["state_type"] == "FAILED"
    message = ended["state"]["message"]
    for at in (
        "- stak: ",
        "- name: ",
        "- primary_family: ",
        "- hosts[0].ssh.port: ",
        "- hosts[1].role: ",
        "- hosts[1].ssh.address: ",
        "- hosts[2].name: ",
        "- network.pods[0].cidr: ",
        "- network.services[1]: ",
        "- cni.kind: ",
    ):
        assert at in message, f"{at} is not in\n{message}"
    assert changes(before, bare.look()) == []
