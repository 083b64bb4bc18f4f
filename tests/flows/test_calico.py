"""Calico on the lab, from our own manifest and from a user's files; the other two stack modes have it in the proposal's cases.

In `make test`, a user's files are those of the shared IPv4-only cluster.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest

from cluster.network.checks import CheckKind
from cluster.vocabulary.families import Family, StackMode, family_of
from lab import hosts
from lab.spec import cluster_document
from tests.conftest import LAB, CommandLines, MadeCluster, Mode, Workplace, say, with_files_of
from tests.flows.conftest import BareHosts
from tests.lived_in import changes

pytestmark = [pytest.mark.lab, pytest.mark.server]

BOTH = (Family.IPV4, Family.IPV6)
IPV6_FIRST, IPV4 = Mode(StackMode.DUAL_STACK, Family.IPV6), Mode(StackMode.IPV4, Family.IPV4)


@dataclass
class CalicoCluster(MadeCluster):
    """A cluster of two hosts with Calico, and what its hosts were like before."""

    before: dict[str, list[str]]

    def record(self, step: str) -> dict[str, Any]:
        """The newest record of a step."""
        records = json.loads(self.place.sixstack("audit", self.name, "--output", "json").stdout)
        return dict([record for record in records if record["step"] == step][-1])

    def again(self, cni: dict[str, Any], *arguments: str) -> tuple[int, str]:
        """Run `sixstack ARGUMENTS` (default: create) with another `cni` in the file: exit code and output."""
        file = self.place.write("again.yaml", {**self.document, "cni": cni})
        done = self.place.sixstack(*(arguments or ("create",)), file)
        return done.returncode, done.stdout + done.stderr


def with_calico(document: dict[str, Any], _place: Workplace) -> dict[str, Any]:
    """Our own manifest."""
    return {**document, "cni": {"kind": "calico"}}


def with_files(document: dict[str, Any], place: Workplace) -> dict[str, Any]:
    """A user's files."""
    return with_files_of(with_calico(document, place), place)


@pytest.fixture(
    scope="module",
    params=[(IPV6_FIRST, with_calico), pytest.param((IPV4, with_files), marks=pytest.mark.long)],
    ids=["calico-ipv6-first", "manifests-ipv4"],
)
def calico(request: pytest.FixtureRequest, workplace: Workplace) -> Iterator[CalicoCluster]:
    """Two hosts with Calico, made in one go; deleted at the end, after which the hosts are as they were."""
    mode, network = request.param
    hosts.up(LAB, hosts=3, families=BOTH, management=BOTH, report=say)
    document = network(cluster_document(hosts.lab_of(LAB), hosts.status(LAB), mode.stack, mode.primary, count=2), workplace)
    file = workplace.write("calico.yaml", document)
    before = BareHosts(workplace).look()
    start = time.monotonic()
    created = workplace.sixstack("create", file, "--no-verify")  # the first test runs the full network check
    assert created.returncode == 0, created.stdout + created.stderr
    yield CalicoCluster(mode, document, file, workplace, created.stdout, time.monotonic() - start, CommandLines(), before)
    deleted = workplace.sixstack("delete", file, "--confirm", str(document["name"]))
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    assert changes(before, BareHosts(workplace).look()) == []


def test_the_network_works_and_policies_hold(calico: CalicoCluster) -> None:
    """Every check of verify-cluster is green: pods' addresses in the families' order, paths between all, and what a policy denies."""
    verified = calico.place.sixstack("verify", calico.file)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    report = calico.record("verify-network")["report"]
    kinds = {check["kind"] for check in report["checks"]}
    assert report["ok"]
    assert kinds >= {CheckKind.POD_ADDRESSES, CheckKind.PING, CheckKind.HTTP, CheckKind.NETWORK_POLICY}


def test_the_time_from_its_apply_to_ready_nodes_is_on_record(calico: CalicoCluster) -> None:
    """When the nodes that were there were Ready, and when Calico's last pod ran: both figures can be quoted from the record."""
    found = re.search(r"[12] nodes Ready after ([\d.]+) s, all of \w+ running after ([\d.]+) s", calico.record("wait-network")["found"])
    assert found is not None
    assert 0 < float(found[1]) <= float(found[2]) < 300


def test_pods_have_addresses_of_the_pools_in_the_families_order(calico: CalicoCluster) -> None:
    """CoreDNS's pods, which came first of all: one address a family, primary first, with the MTU that IPv6's tunnel leaves."""
    families = (
        [calico.mode.primary]
        if calico.mode.stack is not StackMode.DUAL_STACK
        else [calico.mode.primary, *({*Family} - {calico.mode.primary})]
    )
    for pod in calico.objects("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]:
        assert [family_of(ip_address(entry["ip"])) for entry in pod["status"]["podIPs"]] == families
    name = calico.document["hosts"][0]["name"]
    mtu = int(hosts.run_in(name, ["cat", "/var/lib/calico/mtu"], LAB).stdout)
    assert mtu == (1430 if Family.IPV6 in families else 1450)


def test_a_second_run_finds_nothing_to_do(calico: CalicoCluster) -> None:
    """What was applied says what it is."""
    planned = calico.place.sixstack("plan", calico.file, "--output", "json")
    assert json.loads(planned.stdout)["steps"] == [], planned.stderr


def test_what_can_change_is_applied_and_what_cannot_is_refused(calico: CalicoCluster) -> None:
    """Another encapsulation comes with one apply and a network check; blocks keep their size; flannel does not take Calico's place."""
    cni = calico.document["cni"]
    code, said = calico.again({"kind": "flannel"}, "plan")
    assert (code, "cni/kind" in said) == (1, True), said
    if cni["kind"] == "manifests":
        return
    code, said = calico.again({"kind": "calico", "pools": {"ipv6": {"block_size": 124}}}, "plan")
    assert (code, "/122" in said) == (1, True), said
    code, said = calico.again({"kind": "calico", "pools": {"ipv6": {"encapsulation": "CrossSubnet"}}})
    assert code == 0, said
    assert "changed IPPool default-ipv6-ippool" in said
    assert calico.record("verify-network")["report"]["ok"]
