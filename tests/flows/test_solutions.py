"""The proposal's two ways to reach the hosts of an IPv6-only cluster: over IPv6 itself (solution 1), or always over IPv4 (solution 2)."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest

from cluster.vocabulary.families import Family, StackMode
from lab import hosts
from lab.command import command
from lab.spec import cluster_document
from lab.state import LabHost
from tests.conftest import LAB, MODES, MadeCluster, Workplace, say

pytestmark = [pytest.mark.lab, pytest.mark.server]

BOTH = (Family.IPV4, Family.IPV6)
GLOBAL_ADDRESSES = "ip -{} -oneline address show scope global"


def internal_addresses(nodes: list[dict[str, Any]]) -> dict[str, list[str]]:
    """InternalIPs of nodes by name."""
    return {
        node["metadata"]["name"]: [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"] for node in nodes
    }


@pytest.mark.parametrize("made", MODES[-1:], indirect=True, ids=str)
class TestSolution1:
    """SSH over the address of the cluster's family, on hosts that have no other."""

    def test_hosts_and_this_machine_meet_over_ipv6_only(self, made: MadeCluster) -> None:
        """The hosts have no IPv4 address, nor has this machine one on their bridge; the file names IPv6 addresses for SSH."""
        for host in made.document["hosts"]:
            assert hosts.run_in(host["name"], ["sh", "-c", GLOBAL_ADDRESSES.format(4)], LAB).stdout == ""
            assert isinstance(ip_address(host["ssh"]["address"]), IPv6Address)
            assert host["ssh"]["address"] in host["addresses"]
        assert command(["ip", "-4", "-oneline", "address", "show", "dev", hosts.lab_of(LAB).network.bridge]) == ""

    def test_the_cluster_is_there_and_reached_through_it(self, made: MadeCluster) -> None:
        """`sixstack kubectl` goes the same way."""
        assert internal_addresses(made.objects("nodes")["items"]) == {host["name"]: host["addresses"] for host in made.document["hosts"]}


@dataclass
class OverIPv4:
    """An IPv6-only cluster in the making on dual-stack hosts, of which this machine reaches the IPv4 addresses alone."""

    place: Workplace
    document: dict[str, Any]
    machines: tuple[LabHost, ...]
    output: str = field(default="")

    @property
    def file(self) -> str:
        """The cluster file."""
        return self.place.write("over-ipv4.yaml", self.document)

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints through `sixstack kubectl`."""
        done = self.place.sixstack("kubectl", self.document["name"], "--", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def over_ipv4(workplace: Workplace) -> Iterator[OverIPv4]:
    """Two dual-stack hosts on a bridge where this machine has an IPv4 address only."""
    machines = hosts.up(LAB, hosts=3, families=BOTH, management=(Family.IPV4,), report=say)[:2]
    document = cluster_document(hosts.lab_of(LAB), machines, StackMode.IPV6) | {"name": "over-ipv4"}
    yield OverIPv4(workplace, document, machines)
    deleted = workplace.sixstack("delete", workplace.write("over-ipv4.yaml", document), "--confirm", "over-ipv4")
    hosts.up(LAB, hosts=3, families=BOTH, management=BOTH, report=say)
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr


class TestSolution2:
    """SSH always over IPv4, to dual-stack hosts that become an IPv6-only cluster."""

    def test_this_machine_has_no_way_to_the_clusters_network(self, over_ipv4: OverIPv4) -> None:
        """A connection to a host's IPv6 address fails, where one to its IPv4 address, and one from the other host over IPv6, do not."""
        bridge = hosts.lab_of(LAB).network.bridge
        assert command(["ip", "-6", "route", "show", "dev", bridge]) == ""
        for machine, other in (over_ipv4.machines, over_ipv4.machines[::-1]):
            with pytest.raises(OSError, match=r"unreachable|No route|timed out"):
                socket.create_connection((str(machine.address(Family.IPV6)), 22), timeout=3)
            socket.create_connection((str(machine.address(Family.IPV4)), 22), timeout=3).close()
            from_other = f"bash -c 'exec 3<>/dev/tcp/{machine.address(Family.IPV6)}/22 && head -c 4 <&3'"
            assert hosts.run_in(other.name, ["sh", "-c", from_other], LAB).stdout == "SSH-"

    def test_the_file_keeps_both_families_apart(self, over_ipv4: OverIPv4) -> None:
        """SSH over IPv4, node addresses IPv6, side by side for each host."""
        for host in over_ipv4.document["hosts"]:
            assert isinstance(ip_address(host["ssh"]["address"]), IPv4Address)
            assert [ip_address(address).version for address in host["addresses"]] == [6]

    def test_the_cluster_is_made_and_its_network_works(self, over_ipv4: OverIPv4) -> None:
        """Every step goes over IPv4, and what is verified is IPv6 alone."""
        created = over_ipv4.place.sixstack("create", over_ipv4.file)
        assert created.returncode == 0, created.stdout + created.stderr
        assert re.search(r"verify-network cluster: .*The network works", created.stdout), created.stdout
        records = json.loads(over_ipv4.place.sixstack("audit", "over-ipv4", "--output", "json").stdout)
        (report,) = [record["report"] for record in records if record["step"] == "verify-network"]
        assert (report["ok"], report["families"]) == (True, ["ipv6"])

    def test_nodes_have_ipv6_addresses_only(self, over_ipv4: OverIPv4) -> None:
        """The hosts' IPv4 addresses are there, and are none of the nodes'."""
        nodes = json.loads(over_ipv4.kubectl("get", "nodes", "-o", "json"))["items"]
        assert internal_addresses(nodes) == {machine.name: [str(machine.address(Family.IPV6))] for machine in over_ipv4.machines}
        for machine in over_ipv4.machines:
            assert str(machine.address(Family.IPV4)) in hosts.run_in(machine.name, ["sh", "-c", GLOBAL_ADDRESSES.format(4)], LAB).stdout

    def test_the_api_is_used_though_this_machine_cannot_reach_it(self, over_ipv4: OverIPv4) -> None:
        """The kubeconfig names an address that this machine has no way to; `sixstack kubectl` goes through SSH, and verifies the certificate."""
        kubeconfig = over_ipv4.place.sixstack("kubeconfig", "over-ipv4").stdout
        address = over_ipv4.machines[0].address(Family.IPV6)
        assert f"https://[{address}]:6443" in kubeconfig
        with pytest.raises(OSError, match=r"unreachable|No route|timed out"):
            socket.create_connection((str(address), 6443), timeout=3)
        assert over_ipv4.kubectl("get", "--raw", "/readyz") == "ok"

    def test_a_second_run_finds_nothing_to_do(self, over_ipv4: OverIPv4) -> None:
        """It too goes over IPv4."""
        planned = over_ipv4.place.sixstack("plan", over_ipv4.file, "--output", "json")
        assert planned.returncode == 0, planned.stdout + planned.stderr
        assert json.loads(planned.stdout)["steps"] == []
