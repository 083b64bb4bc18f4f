"""What a Deployment was before, written on the Deployment itself: whoever is killed in the middle loses nothing, and the next run goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

from cluster.vocabulary.errors import ClusterError
from kube.client import Document

BEFORE = "sixstack.io/before-host-network"
WITH_HOST_NETWORK = "ClusterFirstWithHostNet"


class Phase(StrEnum):
    """How far a change has come."""

    SETTING = "setting"
    SET = "set"
    UNDOING = "undoing"


@dataclass(frozen=True, slots=True)
class Before:
    """The fields that the change touches, as they were; `replicas` are those to come back to."""

    phase: Phase
    replicas: int
    host_network: bool
    dns_policy: str
    host_ports: tuple[str, ...] = ()  # CONTAINER/PORT/PROTOCOL of each port that had a hostPort of its own

    def written(self) -> str:
        """The annotation's text."""
        return json.dumps(
            {
                "phase": self.phase.value,
                "replicas": self.replicas,
                "hostNetwork": self.host_network,
                "dnsPolicy": self.dns_policy,
                "hostPorts": list(self.host_ports),
            }
        )


def before_of(deployment: Document) -> Before | None:
    """What the Deployment remembers; None where nothing was changed. ClusterError for an annotation that is not ours to read."""
    text = deployment["metadata"].get("annotations", {}).get(BEFORE)
    if text is None:
        return None
    try:
        held = json.loads(text)
        return Before(
            Phase(held["phase"]),
            int(held["replicas"]),
            bool(held["hostNetwork"]),
            str(held["dnsPolicy"]),
            tuple(str(port) for port in held["hostPorts"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        name = f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}"
        raise ClusterError(
            f"Deployment {name}: annotation {BEFORE} cannot be read ({error}): put it right, or remove it by hand"
        ) from error


def present(deployment: Document, phase: Phase) -> Before:
    """The Deployment as it is now, to be remembered."""
    pod = deployment["spec"]["template"]["spec"]
    return Before(
        phase, replicas_of(deployment), bool(pod.get("hostNetwork")), pod.get("dnsPolicy", "ClusterFirst"), tuple(_host_ports(pod))
    )


def replicas_of(deployment: Document) -> int:
    """How many pods it is to have."""
    return int(deployment["spec"].get("replicas", 1))


def has_host_network(deployment: Document) -> bool:
    """It is as this change leaves it."""
    pod = deployment["spec"]["template"]["spec"]
    return bool(pod.get("hostNetwork")) and pod.get("dnsPolicy") == WITH_HOST_NETWORK


def is_as_before(deployment: Document, before: Before) -> bool:
    """Its pods are as they were."""
    return replace(present(deployment, before.phase), replicas=before.replicas) == before


def stop_patch(deployment: Document, before: Before) -> Document:
    """Remember and scale to 0, in one request: there is no moment at which one is done and the other is not."""
    return _patch(deployment, {"metadata": {"annotations": {BEFORE: before.written()}}, "spec": {"replicas": 0}})


def host_network_patch(deployment: Document, before: Before) -> Document:
    """Host network, and as many pods as there were."""
    template = {"spec": {"hostNetwork": True, "dnsPolicy": WITH_HOST_NETWORK}}
    return _patch(deployment, {"spec": {"replicas": before.replicas, "template": template}})


def back_patch(deployment: Document, before: Before) -> Document:
    """Everything as it was, and the memory gone. API servers before 1.28 write hostPort to ports of templates with hostNetwork: those go too."""
    pod = deployment["spec"]["template"]["spec"]
    restored: Document = {"hostNetwork": before.host_network or None, "dnsPolicy": before.dns_policy}
    if set(_host_ports(pod)) != set(before.host_ports):
        # a merge patch has lists whole: these are as they are now, but for ports that were not on the host before
        restored |= {kind: [_without_host_ports(one, before) for one in pod[kind]] for kind in _KINDS if kind in pod}
    return _patch(
        deployment,
        {"metadata": {"annotations": {BEFORE: None}}, "spec": {"replicas": before.replicas, "template": {"spec": restored}}},
    )


def remember_patch(deployment: Document, before: Before) -> Document:
    """Another memory; nothing that runs is touched."""
    return _patch(deployment, {"metadata": {"annotations": {BEFORE: before.written()}}})


_KINDS = ("containers", "initContainers")


def _patch(deployment: Document, change: Document) -> Document:
    # the resource version makes a change by somebody else in between a conflict instead of a loss
    metadata = {**change.get("metadata", {}), "resourceVersion": deployment["metadata"]["resourceVersion"]}
    return {**change, "metadata": metadata}


def _host_ports(pod: Document) -> list[str]:
    return [_key(one, port) for kind in _KINDS for one in pod.get(kind, []) for port in one.get("ports", []) if port.get("hostPort")]


def _key(container: Document, port: Document) -> str:
    return f"{container['name']}/{port['containerPort']}/{port.get('protocol', 'TCP')}"


def _without_host_ports(container: Document, before: Before) -> Document:
    ports = [
        port if _key(container, port) in before.host_ports else {name: value for name, value in port.items() if name != "hostPort"}
        for port in container.get("ports", [])
    ]
    return {**container, "ports": ports} if ports else container
