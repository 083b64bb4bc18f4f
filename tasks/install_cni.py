"""Steps install-cni and wait-network: the pod network's objects by server-side apply, and their roll-out."""

from __future__ import annotations

import time

from cluster.plan.create import INSTALL_CNI, WAIT_NETWORK
from cluster.plan.graph import PlannedStep
from cluster.plan.notes import lost_node
from cluster.vocabulary.errors import ClusterError
from kube.pod_networks import install, wait_installed
from kube.state import read_nodes
from kube.wait import NODES, wait_nodes_ready
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext
from runs.progress import report_progress
from tasks.wait_ready import LIMIT


@step(INSTALL_CNI)
def install_cni(planned: PlannedStep, run: ClusterContext) -> None:
    """Apply the plug-in of the spec. Nodes become Ready one by one; wait-ready waits for them."""
    with record_step(planned, run) as attempt:
        attempt.change(*install(cluster_api(run), run.spec))


@step(WAIT_NETWORK)
def wait_network(planned: PlannedStep, run: ClusterContext) -> None:
    """Wait until the existing nodes are Ready and the plug-in runs on each of them, including its controllers.

    Also nodes that the file does not list: the pods of a DaemonSet run on them too, and one that is not available stops the roll-out.
    """
    with record_step(planned, run) as attempt:
        api, start = cluster_api(run), time.monotonic()
        names = [str(node["metadata"]["name"]) for node in api.get(NODES)["items"]]
        try:
            wait_nodes_ready(api, names, LIMIT)
        except ClusterError as error:
            listed = {host.name for host in run.spec.hosts}
            lost = (lost_node(run.spec, node) for node in read_nodes(api) if not node.ready and node.name not in listed)
            raise ClusterError("; ".join((str(error), *lost))) from error
        ready = time.monotonic() - start
        wait_installed(api, run.spec, LIMIT, lambda line: report_progress(run, line))
        running = time.monotonic() - start
        attempt.found = f"{len(names)} nodes Ready after {ready:.1f} s, all of {run.spec.cni.kind} running after {running:.1f} s"
