"""A cluster whose machine is lost is restored on a new machine with the same name and addresses; a killed restore is done again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

import pytest

from cluster.vocabulary.families import Family
from lab import host, hosts
from lab.spec import cluster_document
from tests.conftest import BOTH, LAB, MODES, Mode, Workplace
from tests.flows.conftest import BareHosts
from tests.flows.test_convergence import engine_of

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.long]

NAME = "lost"
HOST = f"{LAB}-1"


@dataclass
class Lost:
    """A cluster of one host, and its file for the machine that the host is now."""

    place: Workplace
    mode: Mode

    @property
    def document(self) -> dict[str, Any]:
        """The cluster file, with the host key of the present machine."""
        document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), self.mode.stack, self.mode.primary, count=1)
        return {**document, "name": NAME}

    def run(self, command: str, *options: str) -> CompletedProcess[str]:
        """`sixstack COMMAND FILE`."""
        return self.place.sixstack(command, self.place.write(f"{NAME}.yaml", self.document), *options)

    def done(self, command: str, *options: str) -> str:
        """The same, which must succeed; what it printed."""
        done = self.run(command, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kubectl(self, *arguments: str) -> str:
        """kubectl, which must succeed."""
        done = self.place.sixstack("kubectl", NAME, "--", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def identity(self) -> tuple[str, ...]:
        """The options of `sixstack restore`."""
        return ("--confirm", NAME, "--identity", str(self.place.prefect.identity))

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a run without following it; its id."""
        return self.place.start(deployment, {"cluster": self.document, **parameters}, own_start=True)


def boot(families: Sequence[Family]) -> None:
    """Boot the hosts that are missing or have other families."""
    hosts.up(LAB, hosts=3, families=families, management=families)


@pytest.fixture(scope="module", params=[MODES[1], MODES[3]], ids=str)
def lost(bare: BareHosts, request: pytest.FixtureRequest) -> Iterator[Lost]:
    """A cluster of one host with a ConfigMap, backed up."""
    cluster = Lost(bare.place, request.param)
    boot(cluster.mode.families)
    cluster.done("create", "--no-verify")
    cluster.kubectl("create", "configmap", "kept", "--from-literal=key=value")
    cluster.done("backup")
    yield cluster
    cluster.done("delete", "--confirm", NAME, "--without-copy")
    boot(BOTH)  # as other tests expect them


def test_a_cluster_is_restored_on_a_new_machine(lost: Lost) -> None:
    """With the same name and addresses: the machine gets everything, and the cluster has its objects and its authority."""
    before = [
        lost.kubectl("get", what, "-o", "jsonpath={.metadata.uid}{.spec.clusterIPs}")
        for what in ("cm/kept", "svc/kubernetes", f"node/{HOST}")
    ]
    authority = hosts.run_in(HOST, ["sha256sum", "/etc/kubernetes/pki/ca.crt"], LAB).stdout
    host.scrap(hosts.machine_of(HOST, LAB))
    boot(lost.mode.families)
    printed = lost.done("restore", *lost.identity)
    assert "what is newer than the copy is unknown" in printed
    after = [
        lost.kubectl("get", what, "-o", "jsonpath={.metadata.uid}{.spec.clusterIPs}")
        for what in ("cm/kept", "svc/kubernetes", f"node/{HOST}")
    ]
    assert after == before
    assert hosts.run_in(HOST, ["sha256sum", "/etc/kubernetes/pki/ca.crt"], LAB).stdout == authority
    assert json.loads(lost.done("plan", "--output", "json"))["steps"] == []


def test_a_killed_restore_is_done_again(lost: Lost) -> None:
    """The step on the host outlives the worker; the next restore waits for it and begins from the copy."""
    newer = json.loads(lost.kubectl("create", "configmap", "newer", "-o", "json"))["metadata"]["resourceVersion"]
    run = lost.start("restore-cluster/default", confirm=NAME, identity=str(lost.place.prefect.identity), verify=False)
    deadline = time.monotonic() + 120
    while hosts.run_in(HOST, ["test", "-e", "/var/lib/sixstack/restoring"], LAB).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    engine = engine_of(run)
    assert engine is not None
    os.kill(engine, signal.SIGKILL)
    printed = lost.done("restore", *lost.identity, "--no-verify")
    assert "is restored from the copy" in printed
    assert "newer" not in lost.kubectl("get", "configmaps", "-o", "name")
    # the second restore of one copy begins above every revision that anybody has seen
    again = json.loads(lost.kubectl("create", "configmap", "again", "-o", "json"))["metadata"]["resourceVersion"]
    assert int(again) > int(newer)
    assert json.loads(lost.done("plan", "--output", "json"))["steps"] == []
