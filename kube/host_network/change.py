"""Sets and removes the host network: scale to 0, wait for the end of the pods, change the template, scale back, wait until available.

Each step reads the current state first. Therefore a run continues after a killed run, and changes nothing after a complete run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from cluster.vocabulary.errors import ApiUnavailable, ClusterError
from kube.client import ApiRefused, Document, KubeApi
from kube.host_network.names import DeploymentName
from kube.host_network.previous_state import (
    Phase,
    PreviousState,
    current_state,
    decode_state,
    has_host_network,
    host_network_patch,
    is_restored,
    replicas_of,
    restore_patch,
    save_patch,
    stop_patch,
)
from kube.wait import OnChange, wait_rolled_out, wait_until

# kubelet gives a pod 30 s to end, unless the pod sets another grace period
GONE = timedelta(minutes=3)


def set_host_network(api: KubeApi, name: DeploymentName, limit: timedelta, on_change: OnChange) -> tuple[str, ...]:
    """Set the host network in the pods of a Deployment. Returns one phrase for each change, none when it is already set.

    The Deployment must be available again within `limit`. Otherwise the previous state is restored, and ClusterError has the reason.
    """
    deployment = _read(api, name)
    before = decode_state(deployment)
    if (before is None or before.phase is Phase.SET) and has_host_network(deployment):
        return ()
    if before is None or before.phase is Phase.SET:
        before = current_state(
            deployment, Phase.SETTING
        )  # another program removed the host network in the meantime, so the current state is stored
    before = replace(before, phase=Phase.SETTING)
    changes: list[str] = []
    try:
        if not has_host_network(deployment):
            changes += _stop(api, name, before, on_change)
            _merge(api, name, lambda now: host_network_patch(now, before))
            changes.append(f"hostNetwork: true, {before.replicas} replica(s)")
        elif replicas_of(deployment) != before.replicas:
            _merge(api, name, lambda now: host_network_patch(now, before))
            changes.append(f"{before.replicas} replica(s)")
        _wait_available(api, name, limit, on_change)
    except ClusterError as fault:
        on_change(f"{name}: {fault}; restoring the previous state")
        back = _restore(api, name, limit, on_change)
        raise ClusterError(f"Deployment {name} does not run with the host network: {fault}. {back}") from fault
    _merge(api, name, lambda now: save_patch(now, replace(before, phase=Phase.SET)))
    return (*changes, "available")


def undo_host_network(api: KubeApi, name: DeploymentName, limit: timedelta, on_change: OnChange) -> tuple[str, ...]:
    """Restore the previous state of a Deployment. Returns one phrase for each change, none without a stored state.

    ClusterError when the Deployment is not available within `limit`; the state is restored in any case.
    """
    deployment = _read(api, name)
    before = decode_state(deployment)
    if before is None:
        return ()
    if before.phase is Phase.SET:
        before = replace(before, replicas=replicas_of(deployment))  # the Deployment may have been scaled since
    before = replace(before, phase=Phase.UNDOING)
    changes: list[str] = []
    if not is_restored(deployment, before):
        changes += _stop(api, name, before, on_change)
    _merge(api, name, lambda now: restore_patch(now, before))
    changes.append(f"hostNetwork: {str(before.host_network).lower()}, dnsPolicy: {before.dns_policy}, {before.replicas} replica(s)")
    _wait_available(api, name, limit, on_change)
    return (*changes, "available")


def _restore(api: KubeApi, name: DeploymentName, limit: timedelta, on_change: OnChange) -> str:
    """Undo the change and return a sentence with the result. Errors do not hide the error that made the undo necessary."""
    try:
        undo_host_network(api, name, limit, on_change)
    except (ClusterError, ApiUnavailable) as error:
        return f"The previous state was restored, but the Deployment is not available: {error}"
    return "The previous state was restored"


def _stop(api: KubeApi, name: DeploymentName, before: PreviousState, on_change: OnChange) -> tuple[str, ...]:
    """Store the state, scale to 0 and wait for the end of the pods."""
    stopped = _merge(api, name, lambda now: stop_patch(now, before))
    on_change(f"{name}: {before.replicas} replica(s) to 0")
    wait_until(
        api,
        name.pods,
        lambda pods: {pod: "still exists" for pod, document in pods.items() if runs_for(name, document)},
        what=f"pods of {name} gone",
        limit=GONE,
        on_change=on_change,
        query={"labelSelector": selector_of(stopped)},
    )
    return ("scaled to 0",)


def runs_for(name: DeploymentName, pod: Document) -> bool:
    """Whether a pod belongs to a ReplicaSet of the Deployment and has not ended. Other pods may have the same labels."""
    owners = [owner["name"] for owner in pod["metadata"].get("ownerReferences", []) if owner["kind"] == "ReplicaSet"]
    mine = pod["metadata"]["namespace"] == name.namespace and any(owner.rpartition("-")[0] == name.name for owner in owners)
    return mine and pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}


def _wait_available(api: KubeApi, name: DeploymentName, limit: timedelta, on_change: OnChange) -> None:
    try:
        wait_rolled_out(api, "Deployment", name.namespace, name.name, limit=limit, on_change=on_change)
    except ClusterError as error:
        why = failure_messages(api, name)
        raise ClusterError(f"{error}{': ' + why if why else ''}") from error


def failure_messages(api: KubeApi, name: DeploymentName) -> str:
    """The messages of the Deployment, its pods and their containers about failed pods, or ""."""
    deployment = _read(api, name)
    messages = [
        str(condition.get("message", ""))
        for condition in deployment.get("status", {}).get("conditions", [])
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True"
    ]
    for pod in api.get(name.pods, labelSelector=selector_of(deployment))["items"]:
        status = pod.get("status", {})
        unmet = [
            condition
            for condition in status.get("conditions", [])
            if condition["type"] == "PodScheduled" and condition["status"] == "False"
        ]
        messages += [f"pod {pod['metadata']['name']}: {condition.get('message', '')}" for condition in unmet]
        for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
            state = container.get("state", {})
            held = state.get("waiting") or state.get("terminated")
            if held and held.get("reason") not in {"ContainerCreating", "PodInitializing", "Completed"}:
                messages.append(f"pod {pod['metadata']['name']}: {held.get('reason', '')} {held.get('message', '')}".rstrip())
    return "; ".join(dict.fromkeys(text for text in messages if text))


def selector_of(deployment: Document) -> str:
    """The selector of the Deployment as a query."""
    selector = deployment["spec"]["selector"]
    parts = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    words = {"In": "in", "NotIn": "notin"}
    for expression in selector.get("matchExpressions", []):
        if expression["operator"] in words:
            parts.append(f"{expression['key']} {words[expression['operator']]} ({','.join(expression['values'])})")
        else:
            parts.append(expression["key"] if expression["operator"] == "Exists" else f"!{expression['key']}")
    return ",".join(parts)


def _read(api: KubeApi, name: DeploymentName) -> Document:
    deployment = api.find(name.path)
    if deployment is None:
        raise ClusterError(f"there is no Deployment {name}")
    return deployment


def _merge(api: KubeApi, name: DeploymentName, patch: Callable[[Document], Document]) -> Document:
    """Patch the newest version. A conflict is retried, because the controller may write the status at any time."""
    for _ in range(10):
        try:
            return api.merge(name.path, patch(_read(api, name)))
        except ApiRefused as refusal:
            if refusal.status != 409:
                raise
    raise ApiUnavailable(f"Deployment {name} was changed by another program during each of 10 attempts")
