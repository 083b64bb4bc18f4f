"""Step prepare-host: the cluster claims a bare host: owner, kernel settings, container runtime, kubeadm; a control plane gets all that init needs."""

from __future__ import annotations

from datetime import timedelta

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from cluster.plan.create import PREPARE_HOST
from cluster.plan.graph import PlannedStep
from cluster.plan.values import claim_values, file_contents
from hosts.facts import gather_installed_artifacts
from kube.pod_networks import network_images
from runs.attempts import record_step, step
from runs.context import ClusterContext
from runs.scripts import SHORT_LIMIT, run_script
from runs.sessions import locked_session
from tasks.load_bundle import install_artifacts, is_runtime_file, missing_artifacts, needed_first

LIMIT = timedelta(minutes=5)


@step(PREPARE_HOST, "planned.subject")
def prepare_host(planned: PlannedStep, run: ClusterContext) -> None:
    """Prepare a host for kubeadm (a worker: for load-bundle). Only missing files are uploaded."""
    with record_step(planned, run) as attempt:
        host = run.host(planned.subject)
        bundle, session = load(ArtifactBundle, run.bundle), locked_session(host, run)
        run_script(attempt, session, "host/claim.sh.j2", claim_values(run.spec, host), SHORT_LIMIT)
        # gathered again: an earlier attempt, or a run that was killed, may have installed some files
        missing = missing_artifacts(
            bundle.manifest().for_host(host.role.value, network_images(run.spec)), gather_installed_artifacts(session, host)
        )
        attempt.change(*install_artifacts(session, bundle.path, [file for file in missing if is_runtime_file(file)]))
        values = {**planned.values, "file_contents": file_contents(run.spec)}
        run_script(attempt, session, "host/prepare.sh.j2", values, LIMIT)
        rest = [file for file in missing if needed_first(file, host) and not is_runtime_file(file)]
        attempt.change(*install_artifacts(session, bundle.path, rest))
        attempt.change("prepared")
