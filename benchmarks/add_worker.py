"""Adds one worker with `--only` to a cluster of 3 and to a cluster of 100, in turns: `python -m benchmarks.add_worker [--rounds N]`.

97 of the 100 nodes are Node objects without machines; the file lists all of them. Without the label of their operating system, no DaemonSet
runs on them. The measurements are the wall time of the run, the SSH logins of all machines, and the requests of sixstack in the audit log of the API
server.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.create_flow import run_id_of
from cluster.vocabulary.families import StackMode
from demo.local_prefect import SIXSTACK, LocalPrefect
from kube.client import Document, KubeApi, connect_directly
from lab import hosts
from lab.build.bundle import build_bundle
from lab.spec import cluster_document, cluster_file

LAB = "added"
WORKER = f"{LAB}-3"
SMALL, LARGE = 3, 100
LIMIT = 600
_RANGES = (ip_network("198.51.100.0/24"), ip_network("fd66:0:0:1::/64"))
_LOG = "/var/log/kubernetes/audit.log"
_AUDIT = {
    "extra_args": {"apiserver": {"audit-policy-file": "/etc/kubernetes/sixstack/audit-policy.yaml", "audit-log-path": _LOG}},
    "extra_volumes": {
        "apiserver": [{"name": "audit-log", "host_path": "/var/log/kubernetes", "path_type": "DirectoryOrCreate", "read_only": False}]
    },
    "files": {
        "audit-policy.yaml": "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nrules: [{level: Metadata}]\n"
    },
}


@dataclass
class Added:
    """One run that added the worker."""

    nodes: int  # of the cluster with the worker
    seconds: float
    connections: int  # SSH
    requests: int  # to the API server


def main() -> int:
    """Run the benchmark; 0 when both clusters needed the same numbers at best, and times within 15 %.

    A run that finds a node NotReady opens a watch, and lists again when the watch ends: time alone decides that, so the fewest requests count.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.add_worker", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--verify", action="store_true", help="with the network check")
    parser.add_argument("--folder", type=Path, default=Path(".sixstack/benchmark-add"), help="folder for Prefect's state and audit records")
    options = parser.parse_args()
    folder = options.folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    prefect = LocalPrefect(folder)
    added: list[Added] = []
    try:
        hosts.down(LAB)
        hosts.up(LAB, hosts=3)
        prefect.start(_report)
        prefect.deploy(_report)
        prefect.register(bundle=build_bundle(), credential=f"lab-{LAB}", key_file=hosts.lab_of(LAB).key_file, audit=prefect.root / "audit")
        files = {size: _write(prefect, size) for size in (SMALL, LARGE)}
        _sixstack(prefect, "create", _write(prefect, SMALL, without=WORKER), "--no-verify")
        with _api(prefect) as api:
            for number in range(options.rounds):
                # the order alternates, so that neither always has the warmer caches
                for size in (SMALL, LARGE) if number % 2 == 0 else (LARGE, SMALL):
                    _set_nodes_without_machines(api, size - SMALL)
                    added.append(_add(prefect, files[size], size, verify=options.verify))
                    _report(f"{added[-1]}")
                    _sixstack(prefect, "remove", files[size], WORKER)
    finally:
        hosts.down(LAB, report=_report)
        prefect.stop(_report)
    return _show(added)


def _show(added: list[Added]) -> int:
    of = {size: [run for run in added if run.nodes == size] for size in (SMALL, LARGE)}
    print("nodes  seconds (median)  all seconds                SSH connections  API requests")
    for size, runs in of.items():
        seconds = " ".join(f"{run.seconds:.1f}" for run in runs)
        connections, requests = (sorted({getattr(run, name) for run in runs}) for name in ("connections", "requests"))
        print(f"{size:>5}  {median(run.seconds for run in runs):>16.1f}  {seconds:26} {connections!s:>15}  {requests!s:>12}")
    small, large = of[SMALL], of[LARGE]
    ratio = median(run.seconds for run in large) / median(run.seconds for run in small)
    equal = all(
        min(getattr(run, name) for run in small) == min(getattr(run, name) for run in large) for name in ("connections", "requests")
    )
    print(f"ratio of the medians: {ratio:.2f}; fewest connections and requests {'are equal' if equal else 'DIFFER'}")
    return 0 if equal and ratio <= 1.15 else 1


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(prefect: LocalPrefect, size: int, without: str = "") -> str:
    """The cluster file with `size` hosts; its path."""
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), StackMode.DUAL_STACK)
    machines = [host for host in document["hosts"] if host["name"] != without]
    ssh = {**machines[0]["ssh"]}
    others = [
        {"name": name, "role": "worker", "ssh": {**ssh, "address": addresses[0]}, "addresses": addresses}
        for name, addresses in _without_machines(size - SMALL)
    ]
    document |= {"hosts": [*machines, *others], "kubeadm": {**document["kubeadm"], **_AUDIT}}
    path = prefect.root / f"{size - bool(without)}.yaml"
    path.write_text(cluster_file(document), encoding="utf-8")
    return str(path)


def _without_machines(count: int) -> list[tuple[str, list[str]]]:
    """Names and addresses of nodes without machines, in ranges that no lab has."""
    return [(f"{LAB}-without-{number}", [str(range_of[number]) for range_of in _RANGES]) for number in range(1, count + 1)]


@contextmanager
def _api(prefect: LocalPrefect) -> Iterator[KubeApi]:
    kubeconfig = _sixstack(prefect, "kubeconfig", LAB)
    with connect_directly(kubeconfig) as api:
        yield api


def _set_nodes_without_machines(api: KubeApi, count: int) -> None:
    """Create or delete the Node objects without machines, so that there are `count`."""
    wanted = dict(_without_machines(count))
    present = {node["metadata"]["name"] for node in api.get("/api/v1/nodes")["items"] if "-without-" in node["metadata"]["name"]}

    def create(name: str) -> None:
        taint = {"key": "example.org/no-machine", "effect": "NoSchedule"}
        node: Document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": [taint]}}
        api.create("/api/v1/nodes", node)
        entries = [{"type": "InternalIP", "address": address} for address in wanted[name]]
        api.merge(f"/api/v1/nodes/{name}/status", {"status": {"addresses": entries}})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, wanted.keys() - present))
        list(pool.map(lambda name: api.delete(f"/api/v1/nodes/{name}"), present - wanted.keys()))
    time.sleep(5)  # for the controllers that give each node its ranges and taints


def _accepted() -> int:
    """The SSH logins of all machines so far. A connection to a node without a machine would end the run with an error."""
    script = "journalctl --no-pager --output=cat _COMM=sshd | grep -c '^Accepted ' || true"
    return sum(int(hosts.run_in(host.name, ["sh", "-c", script], LAB).stdout) for host in hosts.status(LAB))


def _requested() -> int:
    script = f"""grep -c '"userAgent":"sixstack"' {_LOG} || true"""
    return int(hosts.run_in(f"{LAB}-1", ["sh", "-c", script], LAB).stdout)


def _add(prefect: LocalPrefect, file: str, size: int, *, verify: bool) -> Added:
    connections, requests = _accepted(), _requested()
    printed = _sixstack(prefect, "create", file, "--only", WORKER, *([] if verify else ["--no-verify"]))
    run: dict[str, Any] = prefect.request("GET", f"/flow_runs/{run_id_of(printed)}").raise_for_status().json()
    start, end = (datetime.fromisoformat(run[key]) for key in ("start_time", "end_time"))
    return Added(size, (end - start).total_seconds(), _accepted() - connections, _requested() - requests)


def _sixstack(prefect: LocalPrefect, *arguments: str) -> str:
    done = subprocess.run(
        [*SIXSTACK, *arguments], cwd=prefect.root, env=prefect.environment(), capture_output=True, text=True, timeout=LIMIT, check=False
    )
    if done.returncode:
        raise SystemExit(f"sixstack {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
