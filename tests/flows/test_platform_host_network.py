"""set-platform-host-network on a real cluster with stand-ins for TKEStack's programs. Each test goes on from what the one before left."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from bundle.manifest import read_manifest
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.records import END_RUN
from flows.set_platform_host_network import PLATFORM
from kube.apply import apply
from kube.client import Document, KubeApi, connect
from kube.host_network.previous_state import ANNOTATION
from kube.nodes import internal_addresses
from kube.wait import NODES, wait_gone, wait_rolled_out
from lab import hosts
from tests.conftest import LAB, MadeCluster, Mode
from tests.flows.test_convergence import engine_of

pytestmark = [
    pytest.mark.lab,
    pytest.mark.server,
    pytest.mark.parametrize("made", [Mode(StackMode.DUAL_STACK, Family.IPV4)], indirect=True, ids=str),
]

FLOW = "set-platform-host-network/default"
PORTS = dict(zip(PLATFORM, (29501, 29502), strict=True))
LIMIT = timedelta(seconds=60)


@dataclass
class Platform:
    """The two Deployments, and how to start the flow on them."""

    made: MadeCluster
    api: KubeApi

    def deployment(self, name: str) -> Document:
        """One of them as it is."""
        namespace, bare = name.split("/")
        return self.api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{bare}")

    def change(self, name: str, patch: Document) -> None:
        """As somebody does with kubectl; waits until the Deployment is rolled out again, unless it is scaled away."""
        namespace, bare = name.split("/")
        self.api.merge(f"/apis/apps/v1/namespaces/{namespace}/deployments/{bare}", patch)
        wait_rolled_out(self.api, "Deployment", namespace, bare, limit=LIMIT)

    def pods(self, name: str) -> list[Document]:
        """Its pods."""
        namespace, bare = name.split("/")
        return list(self.api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"app={bare}")["items"])

    @property
    def shape(self) -> dict[str, tuple[bool, str, int, bool]]:
        """Of each: host network, DNS policy, replicas, whether it remembers anything."""
        shapes = {}
        for name in PLATFORM:
            found = self.deployment(name)
            pod = found["spec"]["template"]["spec"]
            memory = ANNOTATION in found["metadata"].get("annotations", {})
            shapes[name] = bool(pod.get("hostNetwork")), pod["dnsPolicy"], found["spec"]["replicas"], memory
        return shapes

    def start(self, *, own_start: bool = False, **parameters: Any) -> str:
        """Start the flow; the flow run's id."""
        return self.made.place.start(FLOW, {"cluster": self.made.name, "available_seconds": 60, **parameters}, own_start=own_start)

    def ended(self, **parameters: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Run the flow to its end; its state and the audit records of its steps."""
        run = self.start(**parameters)
        state = self.made.place.ended(run)["state"]
        records = json.loads(self.made.place.sixstack("audit", run, "--output", "json").stdout)
        return state, [record for record in records if record["step"] != END_RUN]


UNTOUCHED = (False, "ClusterFirst", 1, False)
MOVED = (True, "ClusterFirstWithHostNet", 1, True)


def stand_in(name: str, port: int, image: str) -> Document:
    """A Deployment of that name whose one pod answers HTTP on a port."""
    namespace, bare = name.split("/")
    container = {
        "name": "main",
        "image": image,
        "args": ["netexec", f"--http-port={port}", "--udp-port=-1"],
        "ports": [{"containerPort": port}],
        "readinessProbe": {"httpGet": {"path": "/hostname", "port": port}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "20Mi"}},
    }
    pod = {"terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}], "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": bare, "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": bare}},
            "template": {"metadata": {"labels": {"app": bare}}, "spec": pod},
        },
    }


@pytest.fixture(scope="module")
def platform(made: MadeCluster, bundle_folder: Path) -> Iterator[Platform]:
    """Namespace tke with stand-ins of the default names."""
    config = hosts.run_in(str(made.document["hosts"][0]["name"]), ["cat", "/etc/kubernetes/admin.conf"], LAB).stdout
    image = read_manifest(bundle_folder).probe_image
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tke"}}
    with connect(config, lambda host, port: socket.create_connection((host, port), timeout=None)) as api:
        apply(api, [namespace, *(stand_in(name, port, image) for name, port in PORTS.items())])
        for name in PLATFORM:
            wait_rolled_out(api, "Deployment", *name.split("/"), limit=LIMIT)
        yield Platform(made, api)
        api.delete("/api/v1/namespaces/tke")
        wait_gone(api, "/api/v1/namespaces", LIMIT, {"fieldSelector": "metadata.name=tke"})


def test_both_deployments_get_their_nodes_network(platform: Platform) -> None:
    """Their pods have the node's addresses of both families and answer there; every step is on record."""
    state, records = platform.ended()
    assert state["type"] == "COMPLETED", state
    assert platform.shape == dict.fromkeys(PLATFORM, MOVED)
    nodes = {node["metadata"]["name"]: node for node in platform.api.get(NODES)["items"]}
    for name, port in PORTS.items():
        (pod,) = platform.pods(name)
        addresses = internal_addresses(nodes[pod["spec"]["nodeName"]])
        assert tuple(ip_address(one["ip"]) for one in pod["status"]["podIPs"]) == addresses
        assert len(addresses) == 2
        for address in addresses:
            socket.create_connection((str(address), port), timeout=5).close()
    steps = {(record["step"], record["host"], record["outcome"]) for record in records}
    assert steps == {
        ("check-host-network", "cluster", "unchanged"),
        ("set-host-network", "tke.tke-platform-api", "changed"),
        ("set-host-network", "tke.tke-platform-controller", "changed"),
    }


def test_a_second_run_has_nothing_to_do(platform: Platform) -> None:
    """No Deployment changes."""
    before = {name: platform.deployment(name)["metadata"]["generation"] for name in PLATFORM}
    state, records = platform.ended()
    assert state["type"] == "COMPLETED", state
    assert {record["outcome"] for record in records} == {"unchanged"}
    assert {name: platform.deployment(name)["metadata"]["generation"] for name in PLATFORM} == before


def test_undo_gives_everything_back(platform: Platform) -> None:
    """The pods' own network, the DNS policy and the number of pods; no annotation is left; undoing again has nothing to do."""
    state, _ = platform.ended(undo=True)
    assert state["type"] == "COMPLETED", state
    assert platform.shape == dict.fromkeys(PLATFORM, UNTOUCHED)
    state, records = platform.ended(undo=True)
    assert state["type"] == "COMPLETED", state
    assert {record["outcome"] for record in records} == {"unchanged"}


def test_colliding_ports_and_missing_deployments_are_refused_together(platform: Platform) -> None:
    """More replicas than nodes, a port that another pod of the host has, a Deployment that is not there: all told, nothing touched."""
    api, controller = PLATFORM
    count = len(platform.api.get(NODES)["items"])
    platform.change(api, {"spec": {"replicas": count + 1}})
    before = platform.deployment(controller)["spec"]["template"]["spec"]["containers"]
    kubelet = [{**before[0], "ports": [{"containerPort": 6443}]}]
    platform.change(
        controller, {"spec": {"template": {"spec": {"containers": kubelet, "nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}}}}
    )
    try:
        generations = {name: platform.deployment(name)["metadata"]["generation"] for name in PLATFORM}
        state, records = platform.ended(deployments=[*PLATFORM, "tke/tke-gateway"])
        assert state["type"] == "FAILED"
        message = state["message"]
        assert "[host-port-collision]" in message
        assert "[host-port-taken]" in message
        assert "29501/TCP" in message
        assert "6443/TCP" in message
        assert "pod kube-system/kube-apiserver-" in message
        assert "[no-such-deployment]" in message
        assert [record["step"] for record in records] == ["check-host-network"]
        assert {name: platform.deployment(name)["metadata"]["generation"] for name in PLATFORM} == generations
    finally:
        platform.change(api, {"spec": {"replicas": 1}})
        platform.change(controller, {"spec": {"template": {"spec": {"containers": before, "nodeSelector": None}}}})


def test_a_failure_in_the_middle_puts_both_back(platform: Platform) -> None:
    """A program that listens on a port it does not declare, and which kubelet has: it cannot start, is named, and the other goes back too."""
    controller = PLATFORM[1]
    before = platform.deployment(controller)["spec"]["template"]["spec"]["containers"]
    hidden = {"args": ["netexec", "--http-port=10250", "--udp-port=-1"], "ports": []}
    probe = {"readinessProbe": {"httpGet": {"path": "/hostname", "port": 10250}, "periodSeconds": 1}}
    platform.change(controller, {"spec": {"template": {"spec": {"containers": [{**before[0], **hidden, **probe}]}}}})
    try:
        state, records = platform.ended(available_seconds=10)
        assert state["type"] == "FAILED"
        assert "tke/tke-platform-controller" in state["message"]
        assert "The previous state was restored" in state["message"]
        assert platform.shape == dict.fromkeys(PLATFORM, UNTOUCHED)
        undone = [record["host"] for record in records if record["step"] == "undo-host-network" and record["outcome"] == "changed"]
        assert undone == ["tke.tke-platform-api"]
    finally:
        platform.change(controller, {"spec": {"template": {"spec": {"containers": before}}}})


@contextmanager
def kept(platform: Platform) -> Iterator[None]:
    """While inside, the pods that are there now do not go, though they be deleted. (Those of before are going already.)"""
    found = [pod["metadata"] for name in PLATFORM for pod in platform.pods(name) if "deletionTimestamp" not in pod["metadata"]]
    paths = [f"/api/v1/namespaces/tke/pods/{pod['name']}" for pod in found]
    assert len(paths) == len(PLATFORM)
    with ExitStack() as stack:
        for path in paths:
            platform.api.merge(path, {"metadata": {"finalizers": ["example.org/kept"]}})
            stack.callback(platform.api.merge, path, {"metadata": {"finalizers": None}})
        yield


def test_a_run_that_is_killed_in_the_middle_is_finished_by_the_next(platform: Platform) -> None:
    """kill -9 while the pods are on their way out, which a finalizer keeps them from ending: the Deployments remember how many there were."""
    with kept(platform):
        run = platform.start(own_start=True)
        end = time.monotonic() + 120
        while not all(shape[3] for shape in platform.shape.values()):
            assert time.monotonic() < end, platform.shape
            time.sleep(0.2)
        process = engine_of(run)
        assert process is not None
        os.kill(process, signal.SIGKILL)
        assert platform.made.place.ended(run)["state"]["type"] == "CRASHED"
    for name in PLATFORM:
        memory = json.loads(platform.deployment(name)["metadata"]["annotations"][ANNOTATION])
        assert (memory["phase"], memory["replicas"]) == ("setting", 1)
    # the dead run's lease ends by itself, which other tests wait for (test_convergence)
    slot = f"sixstack-cluster-{platform.made.name}"
    freed = platform.made.place.python("-m", "prefect", "gcl", "update", slot, "--active-slots", "0")
    assert freed.returncode == 0, freed.stdout + freed.stderr
    state, _ = platform.ended()
    assert state["type"] == "COMPLETED", state
    assert platform.shape == dict.fromkeys(PLATFORM, MOVED)
    assert all(json.loads(platform.deployment(name)["metadata"]["annotations"][ANNOTATION])["phase"] == "set" for name in PLATFORM)
