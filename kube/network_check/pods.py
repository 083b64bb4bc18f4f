"""The probe pods, in a namespace that is created for one check and always removed after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from secrets import token_hex

import yaml

from cluster.network.checks import Check, CheckKind, Layer
from cluster.vocabulary.errors import ClusterError, SixstackError
from cluster.vocabulary.families import Address, Family
from kube.client import ApiRefused, Document, KubeApi, segment
from kube.network_check.services import SERVES, ProbeService, ServiceKind, check_service, created_service, service_kinds
from kube.network_check.settings import Settings
from kube.wait import wait_gone, watch_objects
from templates import render

NAMESPACES = "/api/v1/namespaces"
LABEL = "network-check.sixstack.io/namespace"

# below the NodePorts (30000) and the ephemeral ports (32768), and not a registered port
PORT = 29417

# reasons of a container whose image cannot be pulled, so that waiting does not help
NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})

# an older namespace belongs to a check that was killed
STALE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running probe pod."""

    name: str  # for display: `node worker-1` (a hostNetwork pod) or `pod on worker-1`
    node: str
    pod: str
    host_network: bool
    addresses: tuple[Address, ...]


@dataclass(slots=True)
class ProbePods:
    """The pods and services of a check. `found` has the checks of the services and of the pods that did not start."""

    namespace: str
    services: list[ProbeService] = field(default_factory=list)  # the main service first
    endpoints: list[Endpoint] = field(default_factory=list)
    found: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@contextmanager
def probe_pods(
    api: KubeApi,
    nodes: Sequence[str],
    families: tuple[Family, ...],
    settings: Settings,
    *,
    until: float,
    on_progress: Callable[[str], None],
) -> Iterator[ProbePods]:
    """Start probe pods on all `nodes`, and remove their namespace at the end. If that fails, `notes` has the reason.

    The start may take until `until` (monotonic clock), the removal another 30 s.
    """
    _remove_stale(api)
    probes = ProbePods(f"{settings.namespace}-{token_hex(4)}")
    api.create(
        NAMESPACES,
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": probes.namespace, "labels": {LABEL: "yes", "pod-security.kubernetes.io/enforce": "privileged"}},
        },
    )
    try:
        on_progress(f"starting {2 * len(nodes)} probe pods in namespace {probes.namespace}")
        for kind in service_kinds(families, full=settings.full):
            _make_service(api, probes, kind, families)
        pods = [
            {"name": f"{'host' if host_network else 'pod'}-{number}", "node": node, "host_network": host_network}
            for number, node in enumerate(nodes)
            for host_network in (True, False)
        ]
        text = render("probe/probe.yaml.j2", namespace=probes.namespace, port=PORT, pods=pods, image=settings.image, serves=SERVES)
        for document in yaml.safe_load_all(text):
            api.create(f"{NAMESPACES}/{segment(probes.namespace)}/{document['kind'].lower()}s", document)
        _wait_running(api, probes, len(pods), until)
        _wait_endpoints(api, probes)
        yield probes
    finally:
        _remove(api, probes.namespace, probes.notes)


def _make_service(api: KubeApi, probes: ProbePods, kind: ServiceKind, families: tuple[Family, ...]) -> None:
    made, refused = None, ""
    try:
        made = created_service(
            kind, api.create(f"{NAMESPACES}/{segment(probes.namespace)}/services", kind.document(probes.namespace, PORT))
        )
        probes.services.append(made)
    except ApiRefused as refusal:
        if refusal.status != 422:
            raise
        refused = refusal.message
    probes.found.append(check_service(kind, made, refused, families))


def _wait_endpoints(api: KubeApi, probes: ProbePods) -> None:
    """Wait until the services have their pods: CoreDNS caches for some seconds that a name does not exist."""
    pods = {endpoint.pod for endpoint in probes.endpoints if not endpoint.host_network}
    path = f"/apis/discovery.k8s.io/v1/namespaces/{segment(probes.namespace)}/endpointslices"
    wanted = sum(len(service.families) for service in probes.services)
    for slices in watch_objects(api, path, timedelta(seconds=10)):
        if sum(1 for found in slices.values() if _ready_pods(found) >= pods) >= wanted:
            return
    probes.notes.append("the endpoint slices of the probe's services are not complete after 10 s: check kube-controller-manager")


def _ready_pods(endpoint_slice: Document) -> set[str]:
    entries: list[Document] = endpoint_slice.get("endpoints") or []
    return {entry["targetRef"]["name"] for entry in entries if entry.get("conditions", {}).get("ready")}


def _wait_running(api: KubeApi, probes: ProbePods, count: int, until: float) -> None:
    path = f"{NAMESPACES}/{segment(probes.namespace)}/pods"
    states: dict[str, Document] = {}
    for states in watch_objects(api, path, timedelta(seconds=max(1.0, until - time.monotonic() - 20))):
        if len(states) == count and all(_running(pod) or _permanent_failure(pod) for pod in states.values()):
            break
    for pod in sorted(states.values(), key=lambda pod: str(pod["metadata"]["name"])):
        if _running(pod):
            probes.endpoints.append(_endpoint(pod))
        else:
            detail = _permanent_failure(pod) or _waiting_reason(pod)
            node = str(pod["spec"]["nodeName"])
            probes.found.append(Check(CheckKind.PROBE, None, _name(pod), "", Layer.NODE, False, detail, source_node=node))
    if len(states) < count:
        raise ClusterError(f"{count - len(states)} probe pods disappeared from namespace {probes.namespace}: another program deletes them")


def _running(pod: Document) -> bool:
    status = pod.get("status", {})
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions", []))
    return bool(status.get("phase") == "Running" and ready and status.get("podIPs"))


def _waiting(pod: Document) -> Document:
    statuses: list[Document] = pod.get("status", {}).get("containerStatuses", [])
    waiting: Document = statuses[0].get("state", {}).get("waiting", {}) if statuses else {}
    return waiting


def _permanent_failure(pod: Document) -> str:
    """The reason why a pod will never run, or ""."""
    status, waiting = pod.get("status", {}), _waiting(pod)
    if waiting.get("reason") in NO_IMAGE:
        image = pod["spec"]["containers"][0]["image"]
        return f"the probe image {image} cannot be pulled ({waiting['reason']}); the network of this pod was not checked"
    if waiting.get("reason") == "CrashLoopBackOff":
        return f"the probe container keeps crashing: {waiting.get('message', '')}"
    if status.get("phase") == "Failed":
        return f"the node refused the probe pod: {status.get('reason', '')} {status.get('message', '')}"
    return ""


def _waiting_reason(pod: Document) -> str:
    status, waiting = pod.get("status", {}), _waiting(pod)
    reason = waiting.get("message") or waiting.get("reason") or status.get("message") or f"phase {status.get('phase', 'unknown')}"
    return f"the probe pod did not start in time: {reason}"


def _name(pod: Document) -> str:
    node = pod["spec"]["nodeName"]
    return f"node {node}" if pod["spec"].get("hostNetwork") else f"pod on {node}"


def _endpoint(pod: Document) -> Endpoint:
    return Endpoint(
        name=_name(pod),
        node=pod["spec"]["nodeName"],
        pod=pod["metadata"]["name"],
        host_network=bool(pod["spec"].get("hostNetwork")),
        addresses=tuple(ip_address(entry["ip"]) for entry in pod["status"]["podIPs"]),
    )


def _remove(api: KubeApi, namespace: str, notes: list[str]) -> None:
    """Remove the namespace and wait for its end. An unavailable API must not hide the results of the check."""
    path = f"{NAMESPACES}/{segment(namespace)}"
    try:
        api.delete(path)
        # the namespace controller starts after five seconds; if the pods are gone by then, one pass is enough
        api.delete(f"{path}/pods")
        wait_gone(api, NAMESPACES, timedelta(seconds=30), {"fieldSelector": f"metadata.name={namespace}"})
    except SixstackError as error:
        notes.append(f"namespace {namespace} still exists: {error}")


def _remove_stale(api: KubeApi) -> None:
    """Remove the namespaces of killed checks."""
    with suppress(ApiRefused):
        for namespace in api.get(NAMESPACES, labelSelector=LABEL)["items"]:
            made = datetime.fromisoformat(namespace["metadata"]["creationTimestamp"])
            if datetime.now(UTC) - made > STALE:
                api.delete(f"{NAMESPACES}/{segment(namespace['metadata']['name'])}")
