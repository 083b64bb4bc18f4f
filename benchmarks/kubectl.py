"""What `sixstack kubectl` costs over kubectl's own time: `python -m benchmarks.kubectl CLUSTER`, in a folder whose Prefect server has the cluster.

kubectl through a tunnel that is open already, and `sixstack kubectl`, in turns; each call is one small request to the API server. The wall time
depends on what else the machine does. CPU time hardly does: it is that of the command with all its children.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml

from blocks.loading import load
from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.vocabulary.hostport import join_host_port, split_host_port
from cluster.vocabulary.spec import Host, Role
from demo.local_prefect import SIXSTACK
from hosts.forward import forwarded
from hosts.session_pool import SessionPool
from kube.kubeconfig import kubeconfig_document, named_after
from runs.recorded_keys import ClusterKeys
from runs.sessions import credential

LIMIT_SECONDS = 1.0
_REQUEST = ["get", "--raw", "/version"]
# where the time goes: Python and its imports without a request, then all of it
_IMPORTS = "import cli.kubectl, cli.saved_cluster, blocks.prefect_api, hosts.session_pool, hosts.forward, kube.kubeconfig, yaml"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: seconds of wall time, and of CPU time with all children."""

    wall: float
    cpu: float


def main() -> int:
    """Run the benchmark; 0 when the median is at most LIMIT_SECONDS over kubectl's own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cluster", metavar="CLUSTER", help="name of a cluster with a saved kubeconfig")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    kubectl = os.environ.get("SIXSTACK_KUBECTL", "kubectl")
    own = [*SIXSTACK, "kubectl", options.cluster, "--", *_REQUEST]
    with _tunnel(options.cluster) as kubeconfig:
        direct = [kubectl, "--kubeconfig", str(kubeconfig), *_REQUEST]
        commands = {"kubectl, open tunnel": direct, "sixstack kubectl": own, "imports alone": [sys.executable, "-c", _IMPORTS]}
        for command in commands.values():  # warm
            _call(command)
        calls: dict[str, list[Call]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                calls[name].append(_call(command))
    for name, measured in calls.items():
        walls = sorted(call.wall for call in measured)
        print(
            f"{name:22} median {median(walls):6.2f} s  ({walls[0]:.2f} to {walls[-1]:.2f})  CPU {median(call.cpu for call in measured):.2f} s"
        )
    over = median(call.wall for call in calls["sixstack kubectl"]) - median(call.wall for call in calls["kubectl, open tunnel"])
    print(
        f"over kubectl's own time: {over:.2f} s; limit {LIMIT_SECONDS:.1f} s; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    return 0 if over <= LIMIT_SECONDS else 1


@contextmanager
def _tunnel(cluster: str) -> Iterator[Path]:
    """A kubeconfig for a tunnel that stays open."""
    block = load(SavedKubeconfig, block_name(cluster))
    assert block.ssh is not None, "the API server of this cluster needs no tunnel"
    pool = SessionPool(ClusterKeys(cluster))
    session = pool.session(Host(name=block.control_plane, role=Role.CONTROL_PLANE, ssh=block.ssh), credential)
    address, port = split_host_port(block.api, 6443)
    try:
        with forwarded(session, str(address), port) as (host, local), tempfile.TemporaryDirectory() as folder:
            document = named_after(kubeconfig_document(block.kubeconfig.get_secret_value()), cluster)
            document["clusters"][0]["cluster"] |= {"server": f"https://{join_host_port(host, local)}", "tls-server-name": "kubernetes"}
            file = Path(folder, "kubeconfig")
            file.touch(mode=0o600)
            file.write_text(yaml.safe_dump(document), encoding="utf-8")
            yield file
    finally:
        pool.close()


def _call(command: list[str]) -> Call:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Call(time.monotonic() - start, cpu)


if __name__ == "__main__":
    sys.exit(main())
