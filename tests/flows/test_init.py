"""From two machines and a key to a cluster: `sixstack credential`, `sixstack init`, `sixstack create`. One of the logins is signed by an ssh-agent."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from cluster.file.reader import read_text
from cluster.vocabulary.families import Family, StackMode
from lab import hosts
from lab.spec import cluster_document
from tests.conftest import LAB
from tests.flows.conftest import BareHosts
from tests.lived_in import changes

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.long]

NAME = "fresh"


@pytest.fixture
def agent_socket(tmp_path: Path) -> Iterator[str]:
    """An ssh-agent with the key of the lab."""
    path = str(tmp_path / "agent.sock")
    printed = subprocess.run(["ssh-agent", "-a", path], check=True, capture_output=True, text=True).stdout
    key = str(hosts.lab_of(LAB).key_file)
    subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": path}, check=True, capture_output=True)
    yield path
    with suppress(ProcessLookupError):
        os.kill(int(printed.partition("SSH_AGENT_PID=")[2].partition(";")[0]), signal.SIGTERM)


def test_init_writes_a_file_from_which_create_makes_a_cluster(bare: BareHosts, agent_socket: str) -> None:
    """Only what is special about the lab is added to the file: its kernel settings and its bundle."""
    before, lab = bare.look(), hosts.lab_of(LAB)
    place, file = bare.place, bare.place.prefect.root / f"{NAME}.yaml"
    machines = [str(host.address(Family.IPV4)) for host in hosts.status(LAB)[:2]]
    for block, option in (("from-key", ("--key", str(lab.key_file))), ("from-agent", ("--ssh-agent", agent_socket))):
        added = place.sixstack("credential", "add", block, *option)
        assert added.returncode == 0, added.stdout + added.stderr
    written = place.sixstack("init", str(file), "--hosts", *machines, "--stack", "dual-stack", "--key", str(lab.key_file), "--credential", "from-key", "--accept-host-keys")  # fmt: skip
    print(written.stdout, written.stderr, file.read_text())
    assert place.sixstack("check", str(file)).returncode == 0
    assert changes(before, bare.look()) == []
    wanted = cluster_document(lab, hosts.status(LAB), StackMode.DUAL_STACK, Family.IPV4, count=2)
    spec = read_text(file.read_text()).spec
    assert spec is not None
    assert [(host.name, [str(address) for address in host.addresses], host.ssh.host_key) for host in spec.hosts] == [
        (host["name"], host["addresses"], host["ssh"]["host_key"]) for host in wanted["hosts"]
    ]
    first, second = file.read_text().split("role: worker")
    text = f"{first}role: worker{second.replace('from-key', 'from-agent')}"
    file.write_text(text + yaml.safe_dump({key: wanted[key] for key in ("kubeadm", "bundle")}))
    tested = place.sixstack("credential", "test", "from-agent", "--cluster", str(file))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert f"log-in {spec.hosts[1].name}" in tested.stdout
    assert f"log-in {spec.hosts[0].name}" not in tested.stdout
    assert place.sixstack("credential", "test", "form-agent", "--cluster", str(file)).returncode == 1
    created = place.sixstack("create", str(file))
    try:
        assert created.returncode == 0, created.stdout + created.stderr
        nodes = place.sixstack("kubectl", NAME, "--", "get", "nodes", "--no-headers")
        assert [line.split()[1] for line in nodes.stdout.splitlines()] == ["Ready", "Ready"]
        again = place.sixstack("init", str(file), "--hosts", *machines, "--stack", "dual-stack", "--key", str(lab.key_file))
        assert again.returncode == 2
        assert "--force" in again.stderr
    finally:
        deleted = place.sixstack("delete", str(file), "--confirm", NAME, "--without-copy")
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    assert changes(before, bare.look()) == []
