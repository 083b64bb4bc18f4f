"""One cluster through its life: killed runs, hosts that fail, growth, changed files. Each test goes on from what the one before left."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.spec import SSH
from hosts.lock import HostLock
from hosts.session import Session
from lab import hosts
from lab.spec import cluster_document
from tests.conftest import LAB, Workplace, run_id
from tests.flows.conftest import BareHosts
from tests.lived_in import changes

pytestmark = [pytest.mark.lab, pytest.mark.server]

NAME = "grown"


@dataclass
class Grown:
    """A cluster in the making: its file as it is now, and the whole file to take hosts from."""

    place: Workplace
    whole: dict[str, Any]
    document: dict[str, Any]
    runs: list[str] = field(default_factory=list)

    def create(self, *options: str) -> CompletedProcess[str]:
        """`sixstack create` with the file as it is now; the network check is other tests' matter."""
        return self.place.sixstack("create", self.file(), "--no-verify", *options)

    def file(self) -> str:
        """Where the file as it is now lies."""
        return self.place.write(f"{NAME}.yaml", self.document)

    def start(self, **parameters: Any) -> str:
        """Start create-cluster/default without following it; the flow run's id."""
        return self.place.start("create-cluster/default", {"cluster": self.document, "verify": False, **parameters}, own_start=True)

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Node objects by name."""
        done = self.place.sixstack("kubectl", NAME, "--", "get", "nodes", "-o", "json")
        assert done.returncode == 0, done.stdout + done.stderr
        return {node["metadata"]["name"]: node for node in json.loads(done.stdout)["items"]}

    def ready(self) -> set[str]:
        """Names of the nodes that are Ready."""
        return {
            name
            for name, node in self.nodes().items()
            if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
        }

    def records(self, run: str) -> list[dict[str, Any]]:
        """The audit records of a flow run."""
        return list(json.loads(self.place.sixstack("audit", run, "--output", "json").stdout))


def on(host: int, script: str) -> str:
    """Run a script as root inside a lab host; what it printed."""
    done = hosts.run_in(f"{LAB}-{host}", ["sh", "-c", script], LAB, limit=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@contextmanager
def held(number: int) -> Iterator[None]:
    """While inside, a run of another cluster holds the lock of a host."""
    lab, host = hosts.lab_of(LAB), hosts.status(LAB)[number - 1]
    ssh = SSH(address=str(host.address(Family.IPV4)), user="root", host_key=host.host_key)
    session = Session.open(host.name, ssh, lambda _name: Credential(private_key=lab.key_file.read_text()))
    lock = HostLock(session, "rival", "run-of-the-rival")
    try:
        yield
    finally:
        lock.release()
        session.close()


@contextmanager
def stalled(number: int) -> Iterator[None]:
    """While inside, no digest is ever computed on a host: an upload there comes to no end, and goes on afterwards."""
    folder = "/var/cache/stalled"
    on(
        number,
        f"""
        mkdir -p {folder}/real; touch {folder}/wait
        for program in sha256sum openssl; do
          cp /usr/bin/$program {folder}/real/
          printf '#!/bin/sh\nwhile [ -e {folder}/wait ]; do sleep 0.1; done\nexec {folder}/real/%s "$@"\n' $program >{folder}/$program
          chmod 755 {folder}/$program; mount --bind {folder}/$program /usr/bin/$program
        done
        """,
    )
    try:
        yield
    finally:
        on(number, f"rm {folder}/wait; umount --lazy /usr/bin/sha256sum /usr/bin/openssl")


def engine_of(run: str) -> int | None:
    """The process that executes a flow run."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # the shell and setsid, which it was before, have other words there
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"-m", b"prefect.engine"] and run.encode() in (entry / "environ").read_bytes():
                return int(entry.name)
        except OSError:  # it ended
            continue
    return None


@pytest.fixture(scope="module")
def grown(bare: BareHosts) -> Iterator[Grown]:
    """An IPv4 cluster without a pod network, of two of the three hosts, not made yet."""
    whole = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), StackMode.IPV4, cni="none") | {"name": NAME}
    before = bare.look()
    cluster = Grown(bare.place, whole, {**whole, "hosts": whole["hosts"][:2]})
    yield cluster
    deleted = cluster.place.sixstack("delete", cluster.place.write("whole.yaml", whole), "--confirm", NAME)
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    assert changes(before, bare.look()) == []


def test_a_host_that_another_run_holds_is_busy(grown: Grown) -> None:
    """Two files may name one host: the second run waits a while, then says who holds it; its other hosts are prepared."""
    with held(1):
        done = grown.create()
    assert done.returncode == 1, done.stdout
    assert f"{LAB}-1: another run works on this host: " in done.stdout
    assert "rival" in done.stdout
    assert "run-of-the-rival" in done.stdout
    assert "check-preflight cluster: done in" in done.stdout
    assert f"kubeadm accepts {LAB}-2; {LAB}-1 was not checked" in done.stdout
    assert on(2, "cat /var/lib/sixstack/owner") == NAME
    assert on(1, "ls /var/lib/sixstack/owner 2>/dev/null || echo none") == "none"


def test_a_cancelled_run_ends_soon_and_leaves_the_cluster_free(grown: Grown) -> None:
    """`prefect flow-run cancel` while hosts are being prepared: the steps that were cut short are on record, nothing is held, no process is left."""
    with stalled(1):
        run = grown.start()
        end = time.monotonic() + 240
        while on(1, "cat /var/lib/sixstack/owner 2>/dev/null || true") != NAME:
            assert time.monotonic() < end, grown.place.api(f"/flow_runs/{run}")["state"]
            time.sleep(0.1)
        cancelled = grown.place.python("-m", "prefect", "flow-run", "cancel", run)
        assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
        ended = grown.place.ended(run, limit=180)
    assert ended["state_type"] == "CANCELLED", ended["state"]
    assert not grown.place.api(f"/v2/concurrency_limits/sixstack-cluster-{NAME}")["active_slots"]
    assert ("prepare-host", f"{LAB}-1", "failed") in {(record["step"], record["host"], record["outcome"]) for record in grown.records(run)}
    assert engine_of(run) is None


def test_what_kubeadm_refuses_is_a_problem_before_any_host_is_initialized(grown: Grown) -> None:
    """A manifest that appears after the plan: the run names the check, the file and what to do; the other host is accepted and does not join."""
    manifest = "/etc/kubernetes/manifests/kube-scheduler.yaml"
    late = f"until [ -x /usr/local/bin/kubeadm ]; do sleep 0.1; done; mkdir -p {manifest.rpartition('/')[0]}; touch {manifest}"
    on(1, f"systemd-run --quiet --unit late sh -c '{late}'")
    try:
        done = grown.create()
    finally:
        on(1, f"systemctl stop late 2>/dev/null; rm -rf {manifest}")
    assert done.returncode == 1, done.stdout
    assert "[preflight-refused]" in done.stdout
    assert f"hosts/{LAB}-1/preflight/FileAvailable-{manifest.replace('/', '-')}: kubeadm: {manifest} already exists" in done.stdout
    records = {(record["step"], record["host"]): record for record in grown.records(run_id(done.stdout))}
    assert records["check-preflight", "cluster"]["outcome"] == "failed"
    assert not {step for step, _ in records} & {"init-control-plane", "join-worker"}


def test_a_run_killed_in_the_middle_of_kubeadm_init_is_finished_by_the_next(grown: Grown) -> None:
    """kubeadm goes on without its run; the next run says for whom it waits, takes over what is there, and starts no second kubeadm."""
    run = grown.start()
    unit = f"sixstack-init-control-plane-{NAME}-1.service"
    end = time.monotonic() + 240
    # it is stopped at once, so that it is still in the middle when its run is killed
    while on(1, f"systemctl is-active {unit} && systemctl kill --signal=STOP {unit} || true") != "active":
        assert time.monotonic() < end, grown.place.api(f"/flow_runs/{run}")["state"]
        time.sleep(0.2)
    engine = engine_of(run)
    assert engine is not None
    os.kill(engine, signal.SIGKILL)
    assert on(1, f"systemctl is-active {unit}; systemctl kill --signal=CONT {unit}") == "active"
    assert grown.place.ended(run)["state_type"] == "CRASHED"

    done = grown.create()
    assert done.returncode == 0, done.stdout + done.stderr
    # for whom it waited; in the log: an event of a run's first moments may be gone when `sixstack create` begins to follow the run
    said = grown.place.api("/logs/filter", {"logs": {"flow_run_id": {"any_": [run_id(done.stdout)]}}, "limit": 200})
    assert [line["message"] for line in said if line["message"].startswith("taking over from") and run in line["message"]]
    # one that ended between the facts and the step is not attached to: the script runs again, and finds the control plane
    attempt, log = on(1, "cd /var/lib/sixstack/steps/init-control-plane && cat attempt && cat log").split("\n", 1)
    assert attempt == "1" or (attempt == "2" and log.startswith("already initialized")), log
    assert "2 of 2 hosts joined" in done.stdout


def test_without_a_pod_network_nodes_stay_not_ready_and_the_run_reports_it(grown: Grown) -> None:
    """`cni: none` completes; a second run has nothing to do and says again what is left to the owner."""
    assert set(grown.nodes()) == {f"{LAB}-1", f"{LAB}-2"}
    assert grown.ready() == set()
    again = grown.place.sixstack("plan", grown.file(), "--output", "json")
    assert again.returncode == 0, again.stdout + again.stderr
    plan = json.loads(again.stdout)
    assert plan["steps"] == []
    assert any("no pod network" in note for note in plan["notes"])


def test_a_worker_that_fails_for_good_does_not_take_the_others_down(grown: Grown) -> None:
    """The file has grown by a host, a pod network, labels and taints; one host can't be prepared: the others are brought to the file."""
    grown.document = {**grown.whole, "cni": {"kind": "flannel"}}
    grown.document["hosts"][1] |= {
        "labels": {"example.org/tier": "back", "example.org/rack": "7"},
        "taints": [{"key": "example.org/busy", "value": "yes", "effect": "PreferNoSchedule"}],
    }
    # what no inspection foresees: a program that fails
    broken = "/var/cache/broken"
    on(
        3,
        f"printf '#!/bin/sh\\necho broken on purpose >&2; exit 1\\n' >{broken}; chmod 755 {broken}; mount --bind {broken} /usr/bin/mkfifo",
    )
    run = grown.start()
    ended = grown.place.ended(run)
    on(3, f"umount /usr/bin/mkfifo; rm {broken}")
    grown.runs.append(run)
    message = ended["state"]["message"]
    assert ended["state_type"] == "FAILED"
    assert "2 of 3 hosts joined" in message
    assert f"{LAB}-2: joined" in message
    assert f"{LAB}-3: NOT joined: {LAB}-3: " in message
    assert "broken on purpose" in message
    assert grown.ready() == {f"{LAB}-1", f"{LAB}-2"}


def test_labels_and_taints_of_the_file_are_on_the_node(grown: Grown) -> None:
    """Those of the file, beside the labels that find a node by its addresses."""
    node = grown.nodes()[f"{LAB}-2"]
    assert node["metadata"]["labels"].items() >= {"example.org/tier": "back", "example.org/rack": "7"}.items()
    assert {"key": "example.org/busy", "value": "yes", "effect": "PreferNoSchedule"} in node["spec"]["taints"]


def test_a_retried_run_joins_a_host_that_was_reset_by_hand(grown: Grown) -> None:
    """No stored result is read instead of running: what the failed run had done well is done again where it no longer holds.

    Meanwhile another run on the same cluster waits, says for which run, and fails.
    """
    (run,) = grown.runs
    on(2, "kubeadm reset --force >/dev/null 2>&1")
    with stalled(3):
        retried = grown.place.python("-m", "prefect", "flow-run", "retry", run)
        assert retried.returncode == 0, retried.stdout + retried.stderr
        end = time.monotonic() + 120
        while not grown.place.api(f"/v2/concurrency_limits/sixstack-cluster-{NAME}")["active_slots"]:
            assert time.monotonic() < end
            time.sleep(0.2)
        second = grown.place.ended(grown.start(wait_seconds=1))
    assert second["state_type"] == "FAILED"
    assert re.search(rf"{NAME}: create {NAME} \S+ \({run}\)", second["state"]["message"])

    ended = grown.place.ended(run)
    assert ended["state_type"] == "COMPLETED", ended["state"]
    assert grown.ready() == {f"{LAB}-1", f"{LAB}-2", f"{LAB}-3"}
    attempts = {(record["step"], record["host"], record["attempt"]) for record in grown.records(run)}
    assert attempts >= {
        ("join-worker", f"{LAB}-2", 1),
        ("join-worker", f"{LAB}-3", 1),
        ("prepare-host", f"{LAB}-3", 2),
        ("plan", "cluster", 2),
    }


def test_labels_that_the_file_names_no_more_go_and_a_host_it_names_no_more_stays(grown: Grown) -> None:
    """A label changes, one goes, a taint goes; the host that is missing from the file is reported and kept."""
    del grown.document["hosts"][1]["taints"]
    grown.document["hosts"][1]["labels"] = {"example.org/tier": "front"}
    grown.document = {**grown.document, "hosts": grown.document["hosts"][:2]}
    done = grown.create()
    assert done.returncode == 0, done.stdout + done.stderr
    nodes = grown.nodes()
    assert set(nodes) == {f"{LAB}-1", f"{LAB}-2", f"{LAB}-3"}
    assert nodes[f"{LAB}-2"]["metadata"]["labels"]["example.org/tier"] == "front"
    assert "example.org/rack" not in nodes[f"{LAB}-2"]["metadata"]["labels"]
    assert not nodes[f"{LAB}-2"]["spec"].get("taints")
    plan = json.loads(grown.place.sixstack("plan", grown.file(), "--output", "json").stdout)
    assert plan["steps"] == []
    assert [note for note in plan["notes"] if note.startswith(f"node {LAB}-3 ")]


def test_what_cannot_be_changed_is_refused_all_at_once(grown: Grown) -> None:
    """Ranges, domain, endpoint, version, role and the pod network of a cluster that is there: each is named with what it is and what to do."""
    changed = json.loads(json.dumps(grown.document))
    changed["network"]["pods"][0]["cidr"] = "10.200.0.0/16"
    changed["network"]["services"] = ["10.97.0.0/16"]
    changed["network"]["dns_domain"] = "other.example"
    changed["control_plane"] = {"endpoint": f"{changed['hosts'][0]['addresses'][0]}:7443"}
    changed["cni"] = {"kind": "none"}
    done = grown.place.sixstack("plan", grown.place.write("changed.yaml", changed), "--output", "json")
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(done.stdout)
    problems = {problem["path"]: problem for problem in told["problems"] if problem["code"] == "immutable-field"}
    assert set(problems) >= {"network/pods", "network/services", "network/dns_domain", "control_plane/endpoint", "cni/kind"}
    assert all(problem["hint"] for problem in problems.values())
    assert not told["migration"]["in_place"]  # another primary service range


def test_another_stack_mode_is_refused_with_what_it_asks_for(grown: Grown) -> None:
    """IPv4 to dual-stack: what has to happen, in order, with this cluster's ranges and hosts, and what each action restarts; by a run too."""
    machines = hosts.status(LAB)
    changed = {**cluster_document(hosts.lab_of(LAB), machines, StackMode.DUAL_STACK, Family.IPV4, count=2), "name": NAME}
    file = grown.place.write("changed.yaml", changed)
    done = grown.place.sixstack("plan", file, "--output", "json")
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert "stack" in {problem["path"] for problem in told["problems"]}
    assert told["migration"]["in_place"]
    by_what = {action["what"]: action for action in told["migration"]["actions"]}
    ranges = "10.96.0.0/16,fd44:5a17:e0b4:ff00::/112"
    assert by_what[f"the API server's arguments: --service-cluster-ip-range={ranges}"]["restarts"].startswith("the API server")
    (addresses,) = [action["where"] for what, action in by_what.items() if what.startswith("give every host")]
    assert addresses == [f"{machine.name} {machine.address(Family.IPV6)}" for machine in machines[:2]]
    refused = grown.place.sixstack("create", file)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert f"--service-cluster-ip-range={ranges}" in refused.stdout


def test_deleting_wants_the_clusters_name(grown: Grown) -> None:
    """Another name deletes nothing."""
    done = grown.place.sixstack("delete", grown.file(), "--confirm", "another")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "No run was started" in done.stderr
    assert grown.ready() == {f"{LAB}-1", f"{LAB}-2", f"{LAB}-3"}
