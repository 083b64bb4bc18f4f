"""NetworkPolicy: denied pods must not be reachable, and must be reachable again after a policy allows the client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cluster.network.checks import Check, CheckKind, Layer
from kube.client import Document, KubeApi, segment
from kube.network_check.pods import PORT, Endpoint
from kube.network_check.probes import Probe, ProbeScope, endpoint_probe, url
from kube.network_check.services import SERVES

NAME = "probe"
ROUNDS = 8  # how often a denied pod is probed until the policy is in effect


def policy_document(namespace: str, *, opened: bool) -> Document:
    """The policy that denies all ingress to the ordinary probe pods; with `opened`, these pods may connect to the port of the probe."""
    rule: Document = {"from": [{"podSelector": {"matchLabels": {SERVES: "yes"}}}], "ports": [{"protocol": "TCP", "port": PORT}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {SERVES: "yes"}}, "policyTypes": ["Ingress"], "ingress": [rule] if opened else []},
    }


def policy_probes(scope: ProbeScope) -> dict[str, list[Probe]]:
    """Probes by source: each ordinary pod connects to the next pod over each family; {} with a single pod."""
    pods = scope.ordinary
    if len(pods) < 2:
        return {}
    return {source.pod: _to(source, pods[(place + 1) % len(pods)]) for place, source in enumerate(pods)}


def _to(source: Endpoint, target: Endpoint) -> list[Probe]:
    return [
        endpoint_probe(CheckKind.NETWORK_POLICY, Layer.NETWORK_POLICY, address, source, target, "http", url(address, PORT))
        for address in target.addresses
    ]


def inverted(checks: Sequence[Check]) -> list[Check]:
    """The inverted results: a denied pod that was reached is a fault."""
    return [
        replace(check, ok=not check.ok, detail="reached, although a NetworkPolicy denies it" if check.ok else "denied") for check in checks
    ]


def check_policies(
    api: KubeApi, scope: ProbeScope, run_probes: Callable[[dict[str, list[Probe]], bool], list[Check]]
) -> tuple[list[Check], str]:
    """The results, or a note without results. `run_probes` runs the probes of each source, with all tries or with one try.

    A policy takes effect on all nodes after a moment, so a pod that is still reachable is probed again, up to ROUNDS times.
    """
    probes = policy_probes(scope)
    if scope.expected.policy is False:
        return [], f"NetworkPolicy was not checked: this CNI plug-in ({scope.expected.cni or 'unknown'}) does not enforce it"
    if not probes:
        return [], "NetworkPolicy was not checked: the check needs ordinary probe pods on two nodes"
    path = f"/apis/networking.k8s.io/v1/namespaces/{segment(scope.namespace)}/networkpolicies"
    api.create(path, policy_document(scope.namespace, opened=False))
    denied: list[Check] = []
    for _ in range(ROUNDS):
        denied = inverted(run_probes(probes, False))
        if all(check.ok for check in denied):
            break
    if scope.expected.policy is None and not any(check.ok for check in denied):
        return [], "NetworkPolicy is not enforced: every denied connection was possible"
    api.merge(f"{path}/{NAME}", {"spec": policy_document(scope.namespace, opened=True)["spec"]})
    allowed = run_probes(probes, True)
    api.delete(f"{path}/{NAME}")
    return [*denied, *allowed], ""
