"""Flow set-platform-host-network: a management cluster's own programs get their nodes' network, so that they reach hosts over IPv6 too."""

from __future__ import annotations

from prefect import flow

from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.records import Outcome
from runs.artifacts import summary_artifact
from runs.cluster_run import cluster_run, run_context
from runs.outcomes import StepOutcome, fates
from runs.progress import report_progress
from runs.run_names import run_name
from tasks.check_host_network import check_host_network
from tasks.set_host_network import set_deployment, undo_deployment

PLATFORM = ("tke/tke-platform-api", "tke/tke-platform-controller")


@flow(
    name="set-platform-host-network",
    flow_run_name=run_name("host network of"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
def set_platform_host_network(
    cluster: str,
    deployments: list[str] = list(PLATFORM),  # noqa: B006 the form shows it, nobody changes it
    undo: bool = False,
    available_seconds: int = 180,
    wait_seconds: int = 300,
    audit: str = "default",
) -> None:
    """Give Deployments the network of their nodes: scale to 0, hostNetwork and ClusterFirstWithHostNet, scale back, wait; or undo that.

    Args:
        cluster: Name of the Saved kubeconfig block of the cluster that they run in; of a cluster of ours that is the cluster's name.
        deployments: The Deployments, NAMESPACE/NAME each.
        undo: Give back the network, DNS policy and number of pods that they had before.
        available_seconds: How long a Deployment may take to become available again; after that it is put back as it was.
        wait_seconds: How long to wait for another run that works on the same cluster.
        audit: Name of an Audit store block.
    """
    run = run_context({"name": cluster, "audit": audit})
    change = undo_deployment if undo else set_deployment
    with cluster_run(run, wait_seconds):
        names = check_host_network(cluster, deployments, undo, available_seconds, run).deployments
        ended = fates({name: change.submit(name, cluster, available_seconds, run) for name in names})
        lines = [f"- {name}: {_told(one)}" for name, one in ended.items()]
        failed = [name for name, one in ended.items() if not one.done]
        if failed and not undo:
            # all or none: what this run has changed goes back too
            moved = [name for name, one in ended.items() if one.record is not None and one.record.outcome is Outcome.CHANGED]
            back = fates({name: undo_deployment.submit(name, cluster, available_seconds, run) for name in moved})
            lines += [f"- {name}, as another one failed: {_told(one)}" for name, one in back.items()]
        done = "are as they were before" if undo else "have their nodes' network"
        text = "\n".join(
            [
                f"cluster {run.cluster}: {len(failed)} of {len(names)} Deployments failed"
                if failed
                else f"cluster {run.cluster}: all {done}",
                *lines,
                *(["Running this again goes on where it ended; with `undo` it gives back what was before."] if failed else []),
            ]
        )
        summary_artifact(run, text)
        if failed:
            raise ClusterError(text)
        report_progress(run, text)


def _told(one: StepOutcome) -> str:
    """How a step ended, in words."""
    if one.record is None:
        return one.why_not or ""
    return "; ".join(one.record.changed) or one.record.found
