"""Step prepare-host: a bare host becomes ours: owner, kernel settings, container runtime; a control plane gets all that init needs."""

from __future__ import annotations

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from cluster.plan.plan import PlannedStep
from cluster.plan.steps import CLAIM_TEMPLATE, SHORT, claim_values
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec, Host
from hosts.facts import gather_holding
from kube.pod_networks import network_images
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.scripts import run_script
from runs.sessions import locked_session
from tasks.load_bundle import install_artifacts, missing_artifacts, needed_by_init, of_the_runtime


@step("prepare-host", "host.name")
def prepare_host(planned: PlannedStep, spec: ClusterSpec, host: Host, run: RunContext) -> StepRecord:
    """Bring a host to where kubeadm can start (a worker: to where load-bundle can go on); only what it lacks is uploaded."""
    with record_attempt("prepare-host", host.name, run, StepRecord) as attempt:
        assert planned.template is not None
        bundle = load(ArtifactBundle, run.bundle)
        session = locked_session(host, run)
        run_script(attempt, session, CLAIM_TEMPLATE, claim_values(spec, host), SHORT)
        # looked at again here: an earlier attempt, or a run that died, may have brought a part of it
        missing = missing_artifacts(bundle.manifest().for_host(host.role.value, network_images(spec)), gather_holding(session, host))
        attempt.change(*install_artifacts(session, bundle.path, [file for file in missing if of_the_runtime(file)]))
        run_script(attempt, session, planned.template, planned.values, planned.limit)
        rest = [file for file in missing if needed_by_init(file, host) and not of_the_runtime(file)]
        attempt.change(*install_artifacts(session, bundle.path, rest))
        attempt.change("prepared")
        attempt.found = planned.reason
    return attempt.record
