"""Steps upgrade-node, upgrade-kubelet and uncordon-node: the programs of one drained node in the new version."""

from __future__ import annotations

from datetime import timedelta

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.manifest import BundleFile
from cluster.plan.graph import PlannedStep
from cluster.plan.upgrade import UNCORDON_NODE, UPGRADE_KUBELET, UPGRADE_NODE
from cluster.plan.values import file_contents
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.spec import Host
from hosts.facts import gather_installed_artifacts
from hosts.lock import FencedSession
from kube.drain import uncordon
from kube.failing_pods import failing_pods
from kube.pod_networks import network_images
from kube.wait import wait_nodes_ready
from runs.attempts import Attempt, record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext
from runs.scripts import run_detached_script, run_script
from runs.sessions import locked_session
from tasks.load_bundle import install_artifacts, missing_artifacts
from tasks.prepare_host import LIMIT as PREPARE_LIMIT
from tasks.stage_bundle import is_staged

LIMIT = timedelta(minutes=10)
READY_LIMIT = timedelta(minutes=5)
_KUBELET = "kubelet"


@step(UPGRADE_NODE, "planned.subject")
def upgrade_node(planned: PlannedStep, run: ClusterContext) -> None:
    """Install the container runtime and the settings of the new version; the kubelet comes last, so that its version shows a finished host."""
    with record_step(planned, run) as attempt:
        host = run.host(planned.subject)
        session = locked_session(host, run)
        _install(attempt, session, host, run, kubelet=False)
        values = {**planned.values["prepare"], "file_contents": file_contents(run.spec)}
        run_script(attempt, session, "host/prepare.sh.j2", values, PREPARE_LIMIT)
        run_detached_script(attempt, session, run.cluster, "host/upgrade-node.sh.j2", planned.values["upgrade"], LIMIT)
        attempt.change("the host has the settings of the new version")


@step(UPGRADE_KUBELET, "planned.subject")
def upgrade_kubelet(planned: PlannedStep, run: ClusterContext) -> None:
    """Replace and restart the kubelet, and wait until the node is Ready with its version."""
    with record_step(planned, run) as attempt:
        host, version = run.host(planned.subject), planned.values["version"]
        session = locked_session(host, run)
        _install(attempt, session, host, run, kubelet=True)
        run_script(attempt, session, "host/restart-kubelet.sh.j2", planned.values, LIMIT)
        api = cluster_api(run)
        try:
            wait_nodes_ready(api, (host.name,), READY_LIMIT, version=version)
        except ClusterError as error:
            raise ClusterError("; ".join((str(error), *failing_pods(api, host.name)))) from error
        attempt.change(f"Ready with {version}")


@step(UNCORDON_NODE, "planned.subject")
def uncordon_node(planned: PlannedStep, run: ClusterContext) -> None:
    """Make the node schedulable again, unless its owner cordoned it."""
    with record_step(planned, run) as attempt:
        if uncordon(cluster_api(run), planned.subject):
            attempt.change("uncordoned")
        else:
            attempt.found = "the node is not cordoned by sixstack"


def _install(attempt: Attempt, session: FencedSession, host: Host, run: ClusterContext, *, kubelet: bool) -> None:
    """Install the missing files that are not staged: only the kubelet, or all others."""
    bundle = load(ArtifactBundle, run.bundle)
    files = bundle.manifest().for_host(host.role.value, network_images(run.spec))
    wanted = [file for file in files if not is_staged(file) and _is_kubelet(file) is kubelet]
    missing = missing_artifacts(wanted, gather_installed_artifacts(session, host))
    attempt.change(*install_artifacts(session, bundle.path, missing))


def _is_kubelet(file: BundleFile) -> bool:
    return file.name == _KUBELET
