"""Steps set-host-network and undo-host-network: one Deployment's pods move to their nodes' own network, or back."""

from __future__ import annotations

from datetime import timedelta

from cluster.vocabulary.records import StepRecord
from kube.host_network import DeploymentName, set_host_network, undo_host_network
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.progress import report_progress
from runs.saved_cluster import saved_api


@step("set-host-network", "deployment")
def set_deployment(deployment: str, block: str, available_seconds: int, run: RunContext) -> StepRecord:
    """Scale to 0, host network, scale back, available; put back as it was when it does not become available (ClusterError)."""
    name = DeploymentName(*deployment.split("/"))
    with record_attempt("set-host-network", _subject(name), run, StepRecord) as attempt:
        with saved_api(block, run) as api:
            limit = timedelta(seconds=available_seconds)
            attempt.change(*set_host_network(api, name, limit, lambda line: report_progress(run, line)))
        attempt.found = "" if attempt.changed else "it has the host's network"
    return attempt.record


@step("undo-host-network", "deployment")
def undo_deployment(deployment: str, block: str, available_seconds: int, run: RunContext) -> StepRecord:
    """Give back the network, DNS policy and number of pods that the Deployment remembers."""
    name = DeploymentName(*deployment.split("/"))
    with record_attempt("undo-host-network", _subject(name), run, StepRecord) as attempt:
        with saved_api(block, run) as api:
            limit = timedelta(seconds=available_seconds)
            attempt.change(*undo_host_network(api, name, limit, lambda line: report_progress(run, line)))
        attempt.found = "" if attempt.changed else "nothing was changed on it before"
    return attempt.record


def _subject(name: DeploymentName) -> str:
    """For a record's key, which is a path."""
    return f"{name.namespace}.{name.name}"
