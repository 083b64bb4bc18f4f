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
from tests.conftest import LAB, CommandLines
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


def test_logins_that_fail_for_three_reasons(bare: BareHosts) -> None:
    """A wrong password, a wrong password of sudo, another host key: each with its host, and no secret is shown."""
    key = hosts.lab_of(LAB).key_file.read_text()
    bare.place.register(
        {
            "wrong-password": {"password": "not-the-password-of-ops"},
            "wrong-sudo": {"private_key": key, "sudo_password": "not-the-password-of-ops"},
        }
    )
    document = bare.document
    document["hosts"][0]["ssh"]["host_key"] = WRONG_KEY
    bare.ops(document, 2, "wrong-password")
    bare.ops(document, 3, "wrong-sudo")
    said = bare.refused(document)
    assert re.search(rf"hosts/{LAB}-1: .*host key", said)
    assert said.count("SHA256:") >= 2  # the pinned key, and the one that is shown
    assert re.search(rf"hosts/{LAB}-2: .*\bops\b", said)
    assert "wrong-password" in said
    assert f"hosts/{LAB}-3: sudo" in said
    assert "not-the-password-of-ops" not in said


def test_a_missing_credential_block(bare: BareHosts) -> None:
    """A block that is not there is named, with the way to make one; that is a matter of the surroundings (exit 3)."""
    document = bare.document
    document["hosts"][0]["ssh"]["credential"] = "nobody-made-this"
    done = bare.place.sixstack("plan", bare.place.write("refused.yaml", document))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "nobody-made-this" in done.stderr


def test_a_host_that_cannot_be_reached_and_hosts_of_other_clusters(bare: BareHosts) -> None:
    """The address that does not answer; the cluster that a host was prepared for; a cluster that is not ours, told by its files and never reset."""
    document = bare.document
    document["hosts"][0]["ssh"]["address"] = "198.18.0.30"
    with ExitStack() as stack:
        stack.enter_context(file_there(bare.machine(2), "/var/lib/sixstack/owner", "elsewhere\n"))
        stack.enter_context(file_there(bare.machine(3), "/etc/kubernetes/kubelet.conf", "apiVersion: v1\nkind: Config\n"))
        said = bare.refused(document)
    assert re.search(rf"hosts/{LAB}-1: .*198\.18\.0\.30", said)
    assert re.search(rf"hosts/{LAB}-2/cluster: .*\belsewhere\b", said)
    assert "[host-has-another-cluster]" in said
    assert re.search(rf"hosts/{LAB}-3/cluster: .*/etc/kubernetes/kubelet\.conf", said)


def test_runtimes_of_somebody_else_and_too_few_resources(bare: BareHosts) -> None:
    """The units and what to do with them; memory in figures; the port and what it is needed for."""
    with ExitStack() as stack:
        stack.enter_context(faults.foreign_service(bare.machine(1), "docker"))
        stack.enter_context(faults.foreign_service(bare.machine(2), "containerd"))
        stack.enter_context(faults.little_memory(bare.machine(1), 512))
        stack.enter_context(faults.busy_port(bare.machine(1), 6443))
        said = bare.refused(bare.document)
    assert re.search(rf"hosts/{LAB}-1/foreign: .*docker\.service", said)
    assert re.search(rf"hosts/{LAB}-2/foreign: .*containerd\.service", said)
    assert said.count("[foreign-runtime]") >= 2
    assert re.search(rf"hosts/{LAB}-1/memory: .*\b512 MB\b.*\b1700 MB\b", said)
    assert re.search(rf"hosts/{LAB}-1/\S+: .*\b6443\b", said)


def test_a_firewall_in_the_way_and_an_address_that_is_missing(bare: BareHosts) -> None:
    """The closed ports with the command that opens them, which is not run; the address of the file, and those of the host."""
    missing = bare.document["hosts"][1]["addresses"][1]
    with ExitStack() as stack:
        stack.enter_context(faults.firewall(bare.machine(3), "tcp dport 10250 drop", "udp dport 8472 drop"))
        stack.enter_context(faults.without_address(bare.machine(2), Family.IPV6))
        said = bare.refused(bare.document)
    assert re.search(rf"hosts/{LAB}-3/firewall: .*10250/tcp.*8472/udp", said)
    assert "nft insert rule" in said
    assert re.search(rf"hosts/{LAB}-2/addresses: .*{re.escape(str(missing))}", said)


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


def test_the_process_of_a_run_stays_small_whatever_the_hosts_print(bare: BareHosts) -> None:
    """Without an end, ten million lines, and one line of 100 MB, at the same time. Each host is named, with what to look for."""
    shapes = ("exec yes", "exec seq 1 10000000", "head -c 100000000 /dev/zero | tr '\\0' x")
    file = bare.place.write("printing.yaml", bare.document)
    with ExitStack() as stack:
        for number, shape in enumerate(shapes, 1):
            stack.enter_context(faults.stand_in(bare.machine(number), "date", shape))
        watched = stack.enter_context(CommandLines(bare.place.prefect.api))
        done = bare.place.sixstack("create", file, own_start=True)
    assert done.returncode not in (0, 2), done.stdout + done.stderr
    said = done.stdout + done.stderr
    for number in (1, 2, 3):
        assert re.search(rf"hosts/{LAB}-{number}: a script printed 1[6-8],[0-9,]+ bytes on standard output", said), said
    # a create of three hosts has the limit of 250 MB (test_create_cluster.py); 16 MB of each host are kept, and buffers come on top
    assert 0 < watched.peak_memory < 350 * 1000**2
    assert len(said) < 20_000
