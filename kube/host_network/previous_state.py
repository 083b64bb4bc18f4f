"""The previous state of a Deployment, stored in an annotation of the Deployment, so that a run can continue after a killed run."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

from cluster.vocabulary.errors import ClusterError
from kube.client import Document

ANNOTATION = "sixstack.io/before-host-network"
WITH_HOST_NETWORK = "ClusterFirstWithHostNet"


class Phase(StrEnum):
    """The progress of a change."""

    SETTING = "setting"
    SET = "set"
    UNDOING = "undoing"


@dataclass(frozen=True, slots=True)
class PreviousState:
    """The previous values of the changed fields; `replicas` is the number to restore."""

    phase: Phase
    replicas: int
    host_network: bool
    dns_policy: str
    host_ports: tuple[str, ...] = ()  # CONTAINER/PORT/PROTOCOL of each port with a hostPort

    def encode(self) -> str:
        """The text of the annotation; `decode_state` reads it."""
        return json.dumps(
            {
                "phase": self.phase.value,
                "replicas": self.replicas,
                "hostNetwork": self.host_network,
                "dnsPolicy": self.dns_policy,
                "hostPorts": list(self.host_ports),
            }
        )


def decode_state(deployment: Document) -> PreviousState | None:
    """The state in the annotation; None without an annotation, ClusterError when the annotation cannot be decoded."""
    text = deployment["metadata"].get("annotations", {}).get(ANNOTATION)
    if text is None:
        return None
    try:
        state = json.loads(text)
        return PreviousState(
            Phase(state["phase"]),
            int(state["replicas"]),
            bool(state["hostNetwork"]),
            str(state["dnsPolicy"]),
            tuple(str(port) for port in state["hostPorts"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        name = f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}"
        raise ClusterError(f"Deployment {name}: annotation {ANNOTATION} cannot be decoded: {error}") from error


def current_state(deployment: Document, phase: Phase) -> PreviousState:
    """The current state of the Deployment."""
    pod = deployment["spec"]["template"]["spec"]
    return PreviousState(
        phase, replicas_of(deployment), bool(pod.get("hostNetwork")), pod.get("dnsPolicy", "ClusterFirst"), tuple(_host_ports(pod))
    )


def replicas_of(deployment: Document) -> int:
    """The number of replicas in the spec."""
    return int(deployment["spec"].get("replicas", 1))


def has_host_network(deployment: Document) -> bool:
    """Whether the Deployment has the host network and the matching DNS policy."""
    pod = deployment["spec"]["template"]["spec"]
    return bool(pod.get("hostNetwork")) and pod.get("dnsPolicy") == WITH_HOST_NETWORK


def is_restored(deployment: Document, before: PreviousState) -> bool:
    """Whether the pods have their previous state."""
    return replace(current_state(deployment, before.phase), replicas=before.replicas) == before


def stop_patch(deployment: Document, before: PreviousState) -> Document:
    """Store the state and scale to 0 in one request, so that both or none happen."""
    return _patch(deployment, {"metadata": {"annotations": {ANNOTATION: before.encode()}}, "spec": {"replicas": 0}})


def host_network_patch(deployment: Document, before: PreviousState) -> Document:
    """Set the host network and the previous number of replicas."""
    template = {"spec": {"hostNetwork": True, "dnsPolicy": WITH_HOST_NETWORK}}
    return _patch(deployment, {"spec": {"replicas": before.replicas, "template": template}})


def restore_patch(deployment: Document, before: PreviousState) -> Document:
    """Restore the previous state and remove the annotation. API servers before 1.28 add a hostPort to hostNetwork templates, which is removed too."""
    pod = deployment["spec"]["template"]["spec"]
    restored: Document = {"hostNetwork": before.host_network or None, "dnsPolicy": before.dns_policy}
    if set(_host_ports(pod)) != set(before.host_ports):
        # a merge patch replaces whole lists, so it has the current lists without the added host ports
        restored |= {kind: [_without_host_ports(container, before) for container in pod[kind]] for kind in _KINDS if kind in pod}
    return _patch(
        deployment,
        {"metadata": {"annotations": {ANNOTATION: None}}, "spec": {"replicas": before.replicas, "template": {"spec": restored}}},
    )


def save_patch(deployment: Document, before: PreviousState) -> Document:
    """Store another state without a change of the pods."""
    return _patch(deployment, {"metadata": {"annotations": {ANNOTATION: before.encode()}}})


_KINDS = ("containers", "initContainers")


def _patch(deployment: Document, change: Document) -> Document:
    # with the resource version, a concurrent change is a conflict and is not lost
    metadata = {**change.get("metadata", {}), "resourceVersion": deployment["metadata"]["resourceVersion"]}
    return {**change, "metadata": metadata}


def _host_ports(pod: Document) -> list[str]:
    return [
        _key(container, port)
        for kind in _KINDS
        for container in pod.get(kind, [])
        for port in container.get("ports", [])
        if port.get("hostPort")
    ]


def _key(container: Document, port: Document) -> str:
    return f"{container['name']}/{port['containerPort']}/{port.get('protocol', 'TCP')}"


def _without_host_ports(container: Document, before: PreviousState) -> Document:
    ports = [
        port if _key(container, port) in before.host_ports else {name: value for name, value in port.items() if name != "hostPort"}
        for port in container.get("ports", [])
    ]
    return {**container, "ports": ports} if ports else container
