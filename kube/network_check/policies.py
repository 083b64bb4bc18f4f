"""NetworkPolicy: pods that are shut must not be reached, and must be again once they are opened to the one who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cluster.network.checks import Check, CheckKind, Layer
from kube.client import Document, KubeApi, segment
from kube.network_check.pods import PORT, Endpoint
from kube.network_check.probes import Field, Probe, endpoint_probe, url
from kube.network_check.services import SERVES

NAME = "probe"


def policy_document(namespace: str, *, opened: bool) -> Document:
    """Nobody may come in to the ordinary probe pods; opened: the ordinary probe pods may, on the probe's port."""
    come_in: Document = {"from": [{"podSelector": {"matchLabels": {SERVES: "yes"}}}], "ports": [{"protocol": "TCP", "port": PORT}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {SERVES: "yes"}}, "policyTypes": ["Ingress"], "ingress": [come_in] if opened else []},
    }


def policy_probes(field: Field) -> dict[str, list[Probe]]:
    """By source: each ordinary pod asks the next one, over each family; {} where there is but one."""
    pods = field.ordinary
    if len(pods) < 2:
        return {}
    return {source.pod: _to(source, pods[(place + 1) % len(pods)]) for place, source in enumerate(pods)}


def _to(source: Endpoint, target: Endpoint) -> list[Probe]:
    return [
        endpoint_probe(CheckKind.NETWORK_POLICY, Layer.NETWORK_POLICY, address, source, target, "http", url(address, PORT))
        for address in target.addresses
    ]


def shut(checks: Sequence[Check]) -> list[Check]:
    """The judgement turned round: who got through to a shut pod is at fault."""
    return [
        replace(check, ok=not check.ok, detail="it gets through, though a NetworkPolicy denies it" if check.ok else "denied")
        for check in checks
    ]


def check_policies(
    api: KubeApi, field: Field, trial: Callable[[dict[str, list[Probe]], bool], list[Check]], rounds: int = 8
) -> tuple[list[Check], str]:
    """Results, and a note where there are none; `trial` asks (probes by source, patiently or once).

    A policy takes a moment to reach all nodes, so a pod that is still open is asked again, `rounds` times.
    """
    probes = policy_probes(field)
    if field.expected.policy is False:
        return [], f"NetworkPolicy was not tried: this CNI plug-in ({field.expected.cni or 'unknown'}) does not enforce it"
    if not probes:
        return [], "NetworkPolicy was not tried: it takes ordinary probe pods on two nodes"
    path = f"/apis/networking.k8s.io/v1/namespaces/{segment(field.namespace)}/networkpolicies"
    api.create(path, policy_document(field.namespace, opened=False))
    denied: list[Check] = []
    for _ in range(rounds):
        denied = shut(trial(probes, False))
        if all(check.ok for check in denied):
            break
    if field.expected.policy is None and not any(check.ok for check in denied):
        return [], "NetworkPolicy is not enforced: a pod that is shut was reached from every other"
    api.merge(f"{path}/{NAME}", {"spec": policy_document(field.namespace, opened=True)["spec"]})
    allowed = trial(probes, True)
    api.delete(f"{path}/{NAME}")
    return [*denied, *allowed], ""
