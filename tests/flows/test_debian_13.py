"""A cluster of Debian 13 hosts: create, reboot, delete. All other tests have Debian 12 hosts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Family, StackMode
from lab import hosts
from lab.base import OPS_USER
from lab.spec import cluster_document
from lab.state import LabHost
from tests import lived_in
from tests.conftest import BOTH, LABS, Workplace, say

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.bundle, pytest.mark.long]

LAB = f"{LABS}-13"
NAME = "debian-13"


@dataclass
class Debian13:
    """Two Debian 13 hosts, what they were like before the cluster, and the cluster's file."""

    place: Workplace
    document: dict[str, Any]
    before: dict[str, list[str]] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)  # of a plan for the hosts with all that their owner had on them

    def sixstack(self, command: str, *options: str) -> str:
        """Run `sixstack COMMAND FILE`, which must succeed; what it printed."""
        start = time.monotonic()
        done = self.place.sixstack(command, self.place.write(f"{NAME}.yaml", self.document), *options)
        say(f"sixstack {command} on Debian 13: {time.monotonic() - start:.1f} s")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects of `kubectl get`; none while the API server does not answer."""
        done = self.place.sixstack("kubectl", NAME, "--", "get", *arguments, "-o", "json", "--request-timeout=5s")
        return list(json.loads(done.stdout)["items"]) if done.returncode == 0 else []


def boot_of(host: str) -> str:
    """The id of the host's boot; "" while the host is off."""
    try:
        return hosts.run_in(host, ["cat", "/proc/sys/kernel/random/boot_id"], LAB).stdout
    except EnvironmentFault:
        return ""


def is_ready(resource: dict[str, Any]) -> bool:
    """Whether a node or a pod has the condition Ready."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in resource["status"].get("conditions", ()))


def is_ready_since(start: datetime, resource: dict[str, Any]) -> bool:
    """Ready, and reported after the reboot: for a while the API server has the conditions from before it."""
    status = resource["status"]
    if resource["kind"] == "Node":
        return is_ready(resource) and status["nodeInfo"]["bootID"] == boot_of(resource["metadata"]["name"]).strip()
    running = [container["state"].get("running") for container in status.get("containerStatuses", ())]
    return is_ready(resource) and all(one and datetime.fromisoformat(one["startedAt"]) > start for one in running)


def reboot(host: LabHost) -> None:
    """`systemctl reboot` in the host; returns when it has booted again."""
    before = boot_of(host.name)
    hosts.run_in(host.name, ["systemctl", "reboot"], LAB)
    deadline = time.monotonic() + 180
    while boot_of(host.name) in {"", before}:
        assert time.monotonic() < deadline, f"{host.name} did not boot again"
        time.sleep(0.5)


def reboot_all() -> None:
    """Reboot both hosts at once, and wait until they answer SSH."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(reboot, hosts.status(LAB)))
    hosts.up(LAB, report=say)


@pytest.fixture(scope="module")
def debian_13(prefect_server: Workplace, bundle_folder: Path) -> Iterator[Debian13]:
    """Two hosts in a lab of their own; one login needs a password for sudo."""
    try:
        found = hosts.up(LAB, hosts=2, families=BOTH, management=BOTH, debian=13, report=say)
        lab = hosts.lab_of(LAB)
        prefect_server.prefect.register(
            bundle=bundle_folder, credential=f"lab-{LAB}", key_file=lab.key_file, audit=prefect_server.prefect.root / "audit"
        )
        prefect_server.register({f"ops-{LAB}": {"private_key": lab.key_file.read_text(), "sudo_password": lab.sudo_password()}})
        lived_in.live_in(LAB)
        document = {**cluster_document(lab, found, StackMode.DUAL_STACK, Family.IPV6), "name": NAME}
        document["hosts"][1]["ssh"] |= {"user": OPS_USER, "credential": f"ops-{LAB}"}
        cluster = Debian13(prefect_server, document)
        cluster.problems = json.loads(cluster.sixstack("plan", "--output", "json"))["problems"]
        # what no reboot keeps is not compared: routes, mounts and tables of the owner, with the set that kube-proxy's nft of Debian 12 cannot read
        reboot_all()
        cluster.before = lived_in.look(LAB)
        yield cluster
    finally:
        hosts.down(LAB, report=say)


def test_the_hosts_are_debian_13(debian_13: Debian13) -> None:
    """Else all other tests of this file would test Debian 12 again."""
    for host in debian_13.document["hosts"]:
        assert 'VERSION_ID="13"' in hosts.run_in(host["name"], ["cat", "/etc/os-release"], LAB).stdout


def test_sets_that_kube_proxy_cannot_read_were_reported(debian_13: Debian13) -> None:
    """The owner's set, which nft of the hosts wrote."""
    found = [problem["path"] for problem in debian_13.problems if problem["code"] == "tables-for-newer-nft"]
    assert found == [f"hosts/{host['name']}/nftables" for host in debian_13.document["hosts"]]


def test_a_cluster_is_created_and_its_network_checked(debian_13: Debian13) -> None:
    """`sixstack create` ends with the network check; both nodes are Ready and say which system they run."""
    assert "2 of 2 hosts joined" in debian_13.sixstack("create")
    nodes = debian_13.objects("nodes")
    assert [is_ready(node) for node in nodes] == [True, True]
    assert {node["status"]["nodeInfo"]["osImage"] for node in nodes} == {"Debian GNU/Linux 13 (trixie)"}


def test_after_a_reboot_of_both_hosts_the_cluster_works(debian_13: Debian13) -> None:
    """Nothing of the cluster was lost: nodes and pods are Ready, the network check is green, and a plan has no steps."""
    start, start_time = time.monotonic(), datetime.now(UTC).replace(microsecond=0)  # the API server has whole seconds
    reboot_all()
    say(f"both hosts booted again after {time.monotonic() - start:.1f} s")
    deadline = time.monotonic() + 300
    while not (found := debian_13.objects("nodes,pods", "-A")) or not all(is_ready_since(start_time, one) for one in found):
        assert time.monotonic() < deadline, [one["metadata"]["name"] for one in found if not is_ready_since(start_time, one)]
        time.sleep(2)
    say(f"all nodes and pods are Ready {time.monotonic() - start:.1f} s after the reboot began")
    debian_13.sixstack("verify")
    assert json.loads(debian_13.sixstack("plan", "--output", "json"))["steps"] == []


def test_after_a_delete_the_hosts_are_as_before(debian_13: Debian13) -> None:
    """Also the files, units and settings of their owner (tests/lived_in.py)."""
    debian_13.sixstack("delete", "--confirm", NAME)
    assert lived_in.changes(debian_13.before, lived_in.look(LAB)) == []
