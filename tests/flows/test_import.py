"""The documents of TKEStack's IPv6 proposal, with the lab's addresses and logins put in, give a cluster that works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.labels import tkestack_labels
from cluster.vocabulary.spec import parse_address
from lab import hosts
from lab.base import OPS_USER
from lab.spec import cluster_document
from tests.conftest import LAB, Workplace, say
from tests.importers.tkestack.samples import dual_stack_cluster, encoded, ipv6_cluster, worker

pytestmark = [pytest.mark.lab, pytest.mark.server]

NAME = "cls-lab"
BOTH = (Family.IPV4, Family.IPV6)


@dataclass
class FromTkestack:
    """A cluster that was made of documents: its file, and the addresses that its nodes must have, by name."""

    place: Workplace
    file: Path
    families: tuple[Family, ...]
    addresses: dict[str, list[str]]

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Node objects by name."""
        done = self.place.sixstack("kubectl", NAME, "--", "get", "nodes", "-o", "json")
        assert done.returncode == 0, done.stdout + done.stderr
        return {node["metadata"]["name"]: node for node in json.loads(done.stdout)["items"]}

    def labels(self) -> dict[str, dict[str, str]]:
        """TKEStack's labels of each node."""
        return {
            name: {key: value for key, value in node["metadata"]["labels"].items() if key.startswith("platform.tkestack.io/")}
            for name, node in self.nodes().items()
        }


@pytest.fixture(scope="module", params=[StackMode.DUAL_STACK, pytest.param(StackMode.IPV6, marks=pytest.mark.long)], ids=str)
def from_tkestack(request: pytest.FixtureRequest, workplace: Workplace) -> Iterator[FromTkestack]:
    """Import, check, and create on two hosts: root with a key on the control plane, a user with a password on the worker."""
    stack: StackMode = request.param
    hosts.up(LAB, hosts=3, families=BOTH, management=BOTH, report=say)
    lab, machines = hosts.lab_of(LAB), hosts.status(LAB)[:2]
    reach = Family.IPV4 if stack is StackMode.DUAL_STACK else Family.IPV6
    first, second = (str(machine.address(reach)) for machine in machines)
    sample = dual_stack_cluster if stack is StackMode.DUAL_STACK else ipv6_cluster
    documents = [
        sample(ip=first, password=None, privateKey=encoded(lab.key_file.read_text())),
        worker(second, NAME, username=OPS_USER, password=encoded(lab.sudo_password())),
    ]
    root = workplace.prefect.root
    files = [root / "cluster.json", root / "machine.json"]
    for file, document in zip(files, documents, strict=True):
        file.write_text(json.dumps(document))
    keys = root / "keys"
    keys.write_text("".join(f"{machine.address(reach)} {machine.host_key}\n" for machine in machines))
    names = [option for machine in machines for option in ("--name", f"{machine.address(reach)}={machine.name}")]
    target = root / "imported.yaml"
    options = ["--known-hosts", str(keys), *names, "--tkestack-labels", "--overwrite", "--to", str(target)]
    imported = workplace.sixstack("import", *map(str, files), *options)
    assert imported.returncode == 0, imported.stdout + imported.stderr
    checked = workplace.sixstack("check", str(target))
    assert checked.returncode == 0, checked.stdout

    # what only a lab's cluster file has: the bundle's block, and what a container that shares its machine's kernel needs
    document = yaml.safe_load(target.read_text())
    assert [host["ssh"]["credential"] for host in document["hosts"]] == [f"{NAME}-root", f"{NAME}-{OPS_USER}"]
    own = cluster_document(lab, machines, stack)
    target.write_text(yaml.safe_dump({**document, "bundle": own["bundle"], "kubeadm": own["kubeadm"]}, sort_keys=False))
    created = workplace.sixstack("create", str(target))
    assert created.returncode == 0, created.stdout + created.stderr
    families = BOTH if stack is StackMode.DUAL_STACK else (Family.IPV6,)
    yield FromTkestack(
        workplace, target, families, {machine.name: [str(machine.address(family)) for family in families] for machine in machines}
    )
    deleted = workplace.sixstack("delete", str(target), "--confirm", NAME)
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr


def test_every_node_is_ready_with_its_addresses(from_tkestack: FromTkestack) -> None:
    """Those that the documents lack were found on the hosts."""
    nodes = from_tkestack.nodes()
    assert set(nodes) == set(from_tkestack.addresses)
    for name, node in nodes.items():
        assert [one["status"] for one in node["status"]["conditions"] if one["type"] == "Ready"] == ["True"]
        found = [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
        assert found == from_tkestack.addresses[name]


def test_every_node_has_its_part_of_the_samples_ranges(from_tkestack: FromTkestack) -> None:
    """With kubeadm's own masks the second node would have none of IPv6."""
    masks = {Family.IPV4: "/24", Family.IPV6: "/72"}
    for node in from_tkestack.nodes().values():
        ranges = node["spec"]["podCIDRs"]
        assert [masks[family] for family in from_tkestack.families] == ["/" + cidr.partition("/")[2] for cidr in ranges]
        assert all(cidr.startswith(("200.200.", "fd00:10:16:")) for cidr in ranges)


def test_the_network_check_is_all_green(from_tkestack: FromTkestack) -> None:
    """Over every family, with the pod network that the import chose."""
    records = json.loads(from_tkestack.place.sixstack("audit", NAME, "--output", "json").stdout)
    report = [record["report"] for record in records if record["step"] == "verify-network"][-1]
    assert report["ok"]
    assert report["families"] == list(from_tkestack.families)


def test_tkestacks_tools_find_the_nodes_until_the_file_says_otherwise(from_tkestack: FromTkestack) -> None:
    """Head and tail of IPv6 under both names, and the IPv4 address; they go when the line is taken out."""
    wanted = {name: tkestack_labels([parse_address(text) for text in texts]) for name, texts in from_tkestack.addresses.items()}
    assert from_tkestack.labels() == wanted
    document = yaml.safe_load(from_tkestack.file.read_text())
    del document["tkestack_labels"]
    again = from_tkestack.place.sixstack("create", from_tkestack.place.write("without-labels.yaml", document), "--no-verify")
    assert again.returncode == 0, again.stdout + again.stderr
    assert from_tkestack.labels() == {name: {} for name in wanted}
