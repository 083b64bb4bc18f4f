"""Ten requests a second and family through a Service of a cluster, from this machine, and what became of them."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cluster.vocabulary.families import Family
from lab.state import LabHost
from tests.conftest import MadeCluster

APP = "load"
PORT = 30080
PER_SECOND = 10
TIMEOUT = 3.0


def workload(image: str) -> list[dict[str, Any]]:
    """Two replicas on different nodes, a PodDisruptionBudget that lets one of them go, and a Service with a NodePort in every family."""
    labels = {"app": APP}
    container = {
        "name": APP,
        "image": image,
        # after SIGTERM it answers until every kube-proxy has removed the endpoint
        "args": ["netexec", "--http-port=8080", "--udp-port=-1", "--delay-shutdown=10"],
        "readinessProbe": {"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1},
        "ports": [{"containerPort": 8080}],
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    pod = {"containers": [container], "topologySpreadConstraints": [spread], "terminationGracePeriodSeconds": 30}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": APP},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": APP},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": APP},
            "spec": {
                "type": "NodePort",
                "ipFamilyPolicy": "PreferDualStack",
                "selector": labels,
                "ports": [{"port": 80, "targetPort": 8080, "nodePort": PORT}],
            },
        },
    ]


@dataclass
class Load:
    """The requests, to every host in turn. A context manager: they begin and end with its block."""

    cluster: MadeCluster
    hosts: tuple[LabHost, ...]
    sent: dict[Family, int] = field(default_factory=dict)
    failed: dict[Family, list[str]] = field(default_factory=dict)  # time, host and error
    late: dict[Family, float] = field(default_factory=dict)  # seconds by which this machine sent a request too late, at most

    def __enter__(self) -> Load:
        self._end = threading.Event()
        self._begin = time.monotonic()
        self._threads = [threading.Thread(target=self._send, args=(family,)) for family in self.cluster.mode.families]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _send(self, family: Family) -> None:
        self.sent[family], self.failed[family], self.late[family] = 0, [], 0.0
        next_request = time.monotonic()
        with ThreadPoolExecutor(PER_SECOND * 4) as pool:  # slow answers delay no other request
            for host in itertools.cycle(self.hosts):
                if self._end.is_set():
                    return
                self.late[family] = max(self.late[family], time.monotonic() - next_request)
                pool.submit(self._request, family, host)
                self.sent[family] += 1
                next_request += 1 / PER_SECOND
                time.sleep(max(0.0, next_request - time.monotonic()))

    def _request(self, family: Family, host: LabHost) -> None:
        connection = http.client.HTTPConnection(str(host.address(family)), PORT, timeout=TIMEOUT)
        try:
            connection.request("GET", "/hostname")
            answer = connection.getresponse()
            answer.read()
            error = "" if answer.status == 200 else f"status {answer.status}"
        except (OSError, http.client.HTTPException) as failure:
            error = f"{type(failure).__name__}: {failure}"
        finally:
            connection.close()
        if error:
            self.failed[family].append(f"{time.monotonic() - self._begin:.1f} s after the begin, {host.name}: {error}")
