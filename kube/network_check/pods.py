"""The probe pods: a namespace of their own, made for one check and removed after it, whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from secrets import token_hex

import yaml

from cluster.errors import ClusterError, SixstackError
from cluster.families import Address, Family
from cluster.network_report import Check, CheckKind, Layer
from kube.client import ApiRefused, Document, KubeApi, segment
from kube.wait import objects_as_they_change, wait_gone
from templates import render

NAMESPACES = "/api/v1/namespaces"
LABEL = "network-check.sixstack.io/namespace"

# below the ephemeral ports (32768) and NodePorts (30000), and nobody's registered port
PORT = 29417

# what a container says when its image cannot be had: waiting on will not help
NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})

# a namespace this old belongs to a check that was killed
STALE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running probe pod."""

    name: str  # for people: `node worker-1` (its pod shares the node's network) or `pod on worker-1`
    node: str
    pod: str
    host_network: bool
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class ProbeService:
    """The service in front of the ordinary probe pods."""

    namespace: str
    addresses: tuple[Address, ...]
    node_port: int
    port: int  # of the pods themselves


@dataclass(slots=True)
class ProbePods:
    """What a check works with; `failures` tell of pods that did not start."""

    namespace: str
    service: ProbeService
    endpoints: list[Endpoint] = field(default_factory=list)
    failures: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@contextmanager
def probe_pods(
    api: KubeApi, nodes: Sequence[str], families: tuple[Family, ...], image: str, *, until: float, on_progress: Callable[[str], None]
) -> Iterator[ProbePods]:
    """Probe pods on all `nodes`, running or found not to; the namespace is gone afterwards, or `notes` says that it lingers.

    `until` (monotonic clock) bounds the start; clearing away has 30 s of its own.
    """
    _remove_stale(api)
    namespace = f"sixstack-network-check-{token_hex(4)}"
    probes = ProbePods(namespace, ProbeService(namespace, (), 0, PORT))
    api.create(
        NAMESPACES,
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {LABEL: "yes", "pod-security.kubernetes.io/enforce": "privileged"}},
        },
    )
    try:
        on_progress(f"starting {2 * len(nodes)} probe pods in namespace {namespace}")
        pods = [
            {"name": f"{'host' if host_network else 'pod'}-{number}", "node": node, "host_network": host_network}
            for number, node in enumerate(nodes)
            for host_network in (True, False)
        ]
        text = render(
            "probe/probe.yaml.j2",
            namespace=namespace,
            families=["IPv4" if family is Family.IPV4 else "IPv6" for family in families],
            port=PORT,
            pods=pods,
            image=image,
        )
        for document in yaml.safe_load_all(text):
            made = api.create(f"{NAMESPACES}/{segment(namespace)}/{document['kind'].lower()}s", document)
            if document["kind"] == "Service":
                probes.service = _service(namespace, made)
        _wait_running(api, probes, len(pods), until)
        yield probes
    finally:
        _remove(api, namespace, probes.notes)


def _wait_running(api: KubeApi, probes: ProbePods, count: int, until: float) -> None:
    path = f"{NAMESPACES}/{segment(probes.namespace)}/pods"
    states: dict[str, Document] = {}
    for states in objects_as_they_change(api, path, timedelta(seconds=max(1.0, until - time.monotonic() - 20))):
        if len(states) == count and all(_running(pod) or _hopeless(pod) for pod in states.values()):
            break
    for pod in sorted(states.values(), key=lambda pod: str(pod["metadata"]["name"])):
        if _running(pod):
            probes.endpoints.append(_endpoint(pod))
        else:
            detail = _hopeless(pod) or _why_waiting(pod)
            probes.failures.append(Check(CheckKind.PROBE, None, _name(pod), "", Layer.NODE, False, detail))
    if len(states) < count:
        raise ClusterError(f"{count - len(states)} probe pods vanished from namespace {probes.namespace}: something else deletes them")


def _running(pod: Document) -> bool:
    status = pod.get("status", {})
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions", []))
    return bool(status.get("phase") == "Running" and ready and status.get("podIPs"))


def _waiting(pod: Document) -> Document:
    statuses: list[Document] = pod.get("status", {}).get("containerStatuses", [])
    waiting: Document = statuses[0].get("state", {}).get("waiting", {}) if statuses else {}
    return waiting


def _hopeless(pod: Document) -> str:
    """Why a pod will never run; "" while it may."""
    status, waiting = pod.get("status", {}), _waiting(pod)
    if waiting.get("reason") in NO_IMAGE:
        image = pod["spec"]["containers"][0]["image"]
        return f"the probe image {image} cannot be pulled ({waiting['reason']}): this says nothing of the network"
    if waiting.get("reason") == "CrashLoopBackOff":
        return f"the probe does not stay up: {waiting.get('message', '')}"
    if status.get("phase") == "Failed":
        return f"the node refused the probe pod: {status.get('reason', '')} {status.get('message', '')}"
    return ""


def _why_waiting(pod: Document) -> str:
    status, waiting = pod.get("status", {}), _waiting(pod)
    told = waiting.get("message") or waiting.get("reason") or status.get("message") or f"phase {status.get('phase', 'unknown')}"
    return f"the probe pod did not start in time: {told}"


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


def _service(namespace: str, service: Document) -> ProbeService:
    spec = service["spec"]
    return ProbeService(namespace, tuple(ip_address(text) for text in spec["clusterIPs"]), spec["ports"][0]["nodePort"], PORT)


def _remove(api: KubeApi, namespace: str, notes: list[str]) -> None:
    """Removes the namespace and sees it gone; an API that is away must not hide what the check found."""
    path = f"{NAMESPACES}/{segment(namespace)}"
    try:
        api.delete(path)
        # the namespace controller looks only after five seconds: with the pods gone by then, once is enough
        api.delete(f"{path}/pods")
        wait_gone(api, NAMESPACES, timedelta(seconds=30), {"fieldSelector": f"metadata.name={namespace}"})
    except SixstackError as error:
        notes.append(f"namespace {namespace} is not gone yet: {error}")


def _remove_stale(api: KubeApi) -> None:
    """Removes what killed checks left."""
    with suppress(ApiRefused):
        for namespace in api.get(NAMESPACES, labelSelector=LABEL)["items"]:
            made = datetime.fromisoformat(namespace["metadata"]["creationTimestamp"])
            if datetime.now(UTC) - made > STALE:
                api.delete(f"{NAMESPACES}/{segment(namespace['metadata']['name'])}")
