"""Step check-host-network: every problem with the host network, before any change."""

from __future__ import annotations

from typing import Any

from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem, errors_in
from cluster.vocabulary.records import StepRecord
from kube.host_network import DeploymentName, check_deployments, read_names
from runs.artifacts import host_network_artifact
from runs.attempts import record_attempt, step
from runs.cluster_api import saved_api
from runs.context import SavedClusterContext
from runs.progress import report_progress


class HostNetworkRefused(SpecError):
    """The Deployments cannot get the host network, or cannot be restored."""

    headline = "no Deployment was touched"


class HostNetworkCheck(StepRecord):
    """The record of a check, with its Deployments, NAMESPACE/NAME."""

    deployments: tuple[str, ...] = ()


@step("check-host-network")
def check_host_network(deployments: Any, undo: Any, available_seconds: Any, run: SavedClusterContext) -> tuple[str, ...]:
    """The Deployments, NAMESPACE/NAME each; HostNetworkRefused lists all problems of the parameters and the cluster at once."""
    with record_attempt("check-host-network", "cluster", run, HostNetworkCheck) as attempt:
        names, wrong = read_parameters(run.kubeconfig, deployments, undo=undo, available_seconds=available_seconds)
        if wrong:
            raise HostNetworkRefused(wrong)
        with saved_api(run) as api:
            seen, problems = check_deployments(api, names, undo=undo)
        attempt.output = "\n".join(map(str, problems))
        if errors := errors_in(problems):
            raise HostNetworkRefused(errors)
        for problem in problems:
            report_progress(run, f"note: {problem}")
        host_network_artifact(run, [one.as_row() for one in seen], undo=undo)
        attempt.found = "; ".join(f"{one.name}: {'host' if one.host_network else 'pod'} network, {one.replicas} replica(s)" for one in seen)
        attempt.extra["deployments"] = tuple(map(str, names))
    return tuple(map(str, names))


def read_parameters(
    block: Any, deployments: Any, *, undo: Any, available_seconds: Any
) -> tuple[tuple[DeploymentName, ...], tuple[Problem, ...]]:
    """The Deployments, and all problems; the parameters may have any type."""
    wrong = []
    if not isinstance(block, str) or not block:
        wrong.append(Problem("wrong-type", "cluster", "expected a string", "Write the name of a Saved kubeconfig block."))
    if not isinstance(undo, bool):
        wrong.append(Problem("wrong-type", "undo", f"{undo!r} is not true or false", "Write true or false."))
    if type(available_seconds) is not int or available_seconds < 1:
        wrong.append(
            Problem("out-of-range", "available_seconds", f"{available_seconds!r} is not a number of seconds", "Write a number such as 180.")
        )
    if not isinstance(deployments, list | tuple) or not all(isinstance(one, str) for one in deployments):
        wrong.append(Problem("wrong-type", "deployments", "expected a list of strings", "Write a list of NAMESPACE/NAME."))
        return (), tuple(wrong)
    names, problems = read_names(deployments)
    return names, (*wrong, *problems)
