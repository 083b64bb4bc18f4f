"""remove-workers and create-cluster with `only` on a real cluster. Each test goes on from what the one before left; the last one leaves all nodes Ready."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from bundle.layout import image_references
from cluster.vocabulary.releases import DEFAULT_RELEASE
from kube.denied_nodes import DENIED
from kube.drain import CORDONED
from lab import hosts
from tests import lived_in
from tests.conftest import LAB, MODES, MadeCluster, run_id, say

pytestmark = [
    pytest.mark.lab,
    pytest.mark.server,
    pytest.mark.parametrize("made", [MODES[3], pytest.param(MODES[1], marks=pytest.mark.long)], indirect=True, ids=str),
]

WORKER, OTHER = f"{LAB}-3", f"{LAB}-2"
APP = "reluctant"


def workload() -> list[dict[str, Any]]:
    """A Deployment whose one pod prefers the worker, and a budget that forbids to evict it."""
    labels = {"app": APP}
    prefers = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [WORKER]}]}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": prefers}]}}
    container = {"name": "pause", "image": image_references(DEFAULT_RELEASE)["pause"], "imagePullPolicy": "IfNotPresent"}
    pod = {"terminationGracePeriodSeconds": 1, "affinity": affinity, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": APP},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": APP},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        },
    ]


def nodes(made: MadeCluster) -> dict[str, bool]:
    """Whether each node is Ready, by name."""
    return {
        node["metadata"]["name"]: any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
        for node in made.objects("nodes")["items"]
    }


def pods(made: MadeCluster) -> list[tuple[str, str]]:
    """Name and node of the pods of the Deployment."""
    return [(pod["metadata"]["name"], pod["spec"]["nodeName"]) for pod in made.objects("pods", "-l", f"app={APP}")["items"]]


def eventually(condition: Callable[[], bool], limit: float = 60) -> None:
    """Wait until it is true."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        time.sleep(1)


def succeeded(made: MadeCluster, *arguments: str) -> str:
    """Run `sixstack ARGUMENTS`, which must succeed; what it printed."""
    start = time.monotonic()
    done = made.place.sixstack(*arguments)
    say(f"sixstack {' '.join(arguments)}: {time.monotonic() - start:.1f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def without_worker(made: MadeCluster) -> str:
    """A cluster file that does not list the worker."""
    listed = [host for host in made.document["hosts"] if host["name"] != WORKER]
    return made.place.write("without-worker.yaml", {**made.document, "hosts": listed})


def test_a_drain_that_a_budget_blocks_leaves_the_node_as_it_was(made: MadeCluster) -> None:
    """Pod, budget and allowed disruptions are named; the node is schedulable again and in the cluster, and its host belongs to the cluster."""
    made.kubectl("apply", "-f", made.place.write("workload.yaml", {"apiVersion": "v1", "kind": "List", "items": workload()}))
    made.kubectl("wait", "deployment", APP, "--for=condition=Available", "--timeout=60s", limit=80)
    eventually(lambda: made.objects("pdb", APP)["status"].get("currentHealthy") == 1)
    ((pod, node),) = pods(made)
    assert node == WORKER
    done = made.place.sixstack("remove", made.file, WORKER, "--limit", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"pod default/{pod} (budget {APP}, disruptions allowed: 0)" in done.stdout
    found = made.objects("node", WORKER)
    assert "unschedulable" not in found["spec"]
    assert CORDONED not in found["metadata"]["annotations"]
    assert pods(made) == [(pod, WORKER)]
    assert hosts.run_in(WORKER, ["cat", "/var/lib/sixstack/owner"], LAB).stdout.strip() == made.name


def test_a_cancelled_drain_leaves_the_node_as_it_was(made: MadeCluster) -> None:
    """The budget still blocks it. The run ends within the time after which Prefect kills its process."""
    run = made.place.start("remove-workers/default", {"cluster": made.document, "hosts": [WORKER]})
    eventually(lambda: CORDONED in made.objects("node", WORKER)["metadata"]["annotations"], limit=120)
    cancelled = made.place.python("-m", "prefect", "flow-run", "cancel", run)
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    assert made.place.ended(run, limit=60)["state_type"] == "CANCELLED"
    found = made.objects("node", WORKER)
    assert "unschedulable" not in found["spec"]
    assert CORDONED not in found["metadata"]["annotations"]


def test_the_nodes_of_another_cluster_stay(made: MadeCluster) -> None:
    """A file with another name and the same machines: their API server is not asked to delete anything."""
    renamed = made.place.write("renamed.yaml", {**made.document, "name": f"{made.name}x"})
    done = made.place.sixstack("remove", renamed, WORKER)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "removal-without-cluster" in done.stdout
    assert nodes(made) == {f"{LAB}-1": True, OTHER: True, WORKER: True}


def test_a_worker_is_removed_that_the_file_does_not_list_any_more(made: MadeCluster) -> None:
    """Its pod runs elsewhere, its Node is gone, and its host is as before the cluster."""
    made.kubectl("delete", "pdb", APP)
    succeeded(made, "remove", without_worker(made), WORKER)
    assert nodes(made) == {f"{LAB}-1": True, OTHER: True}
    assert {node for _, node in pods(made)} == {OTHER}
    assert lived_in.changes({WORKER: made.before[WORKER]}, {WORKER: lived_in.look(LAB)[WORKER]}) == []
    made.kubectl("delete", "deployment", APP)


def test_a_host_is_added_without_inspecting_the_other_workers(made: MadeCluster) -> None:
    """The run says which hosts it did not inspect, and checks the network between those that it did."""
    printed = succeeded(made, "create", made.file, "--only", WORKER)
    assert f"- not inspected: {OTHER}" in printed
    records = json.loads(made.place.sixstack("audit", run_id(printed), "--output", "json").stdout)
    assert {record["host"] for record in records} == {"cluster", f"{LAB}-1", WORKER}
    (report,) = [record["report"] for record in records if record["step"] == "verify-network"]
    assert report["ok"]
    assert nodes(made) == {f"{LAB}-1": True, OTHER: True, WORKER: True}


def test_a_dead_host_does_not_join_again_by_itself(made: MadeCluster) -> None:
    """It lost power and is removed; then it boots, and its kubelet is not admitted. The next create takes it back."""
    hosts.power_off(WORKER, LAB)
    printed = succeeded(made, "remove", made.file, WORKER, "--dead")
    assert f"{WORKER} is still in the file" in printed
    assert f"on the machine of {WORKER} remain" in printed
    assert set(nodes(made)) == {f"{LAB}-1", OTHER}
    hosts.up(LAB, report=say)
    lived_in.live_on(WORKER, LAB)
    refused = ["sh", "-c", "journalctl --boot --unit kubelet.service | grep -c 'removed while its machine did not answer'"]
    eventually(lambda: int(hosts.run_in(WORKER, refused, LAB).stdout) > 1)
    assert set(nodes(made)) == {f"{LAB}-1", OTHER}
    printed = succeeded(made, "create", made.file, "--only", WORKER, "--no-verify")
    page = made.place.api(f"/artifacts/{made.name}-nodes/latest")
    assert (page["flow_run_id"], WORKER in str(page["data"])) == (run_id(printed), True), "no network check wrote the page of the nodes"
    assert nodes(made) == {f"{LAB}-1": True, OTHER: True, WORKER: True}
    assert made.objects("validatingadmissionpolicies", "-l", DENIED)["items"] == []
