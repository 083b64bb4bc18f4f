"""The static pods of a control plane, compared with those that kubeadm writes for the cluster file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.drift.difference import Difference, Repair
from cluster.facts.documents import differing_fields
from cluster.facts.parsers.sections import sections_of
from cluster.vocabulary.yaml_loader import NotYAML, load_document

FOLDER = "/etc/kubernetes/manifests"


@dataclass(frozen=True)
class StaticPods:
    """Manifests by file name."""

    expected: Mapping[str, Any] = field(default_factory=dict)
    actual: Mapping[str, Any] = field(default_factory=dict)


def read_static_pods(text: str) -> StaticPods:
    """The output of host/static-pods.sh.j2. ValueError when it is incomplete."""
    sections = sections_of(text)
    if "end" not in sections:
        raise ValueError("the list of the static pods is incomplete")
    pods: dict[str, dict[str, Any]] = {"expected": {}, "actual": {}}
    for title, content in sections.items():
        kind, _, name = title.partition(" ")
        if kind in pods:
            pods[kind][name] = _document(content)
    return StaticPods(pods["expected"], pods["actual"])


def static_pod_differences(host: str, pods: StaticPods) -> Iterator[Difference]:
    """A difference for each argument and each other field. A manifest of the owner is none."""
    for name, expected in sorted(pods.expected.items()):
        path = f"hosts/{host}/static-pods/{name.removesuffix('.yaml')}"
        file = f"{FOLDER}/{name}"
        if name not in pods.actual:
            yield Difference(path, "exists", "missing", host, Repair.OWNER, f"restore {file} on {host}")
            continue
        for at, wanted, actual in differing_fields(_comparable(expected), _comparable(pods.actual[name])):
            advice = f"correct {at} in {file} on {host}: the kubelet restarts the pod"
            yield Difference(f"{path}/{at}", wanted, actual, host, Repair.OWNER, advice)


def _document(text: str) -> Any:
    try:
        return load_document(text)
    except NotYAML as error:
        return {"not YAML": str(error)}


def _comparable(document: Any) -> Any:
    """The manifest with the arguments of its container by name."""
    try:
        (container,) = document["spec"]["containers"]
        program, *arguments = container["command"]
        named = dict(argument.removeprefix("--").partition("=")[::2] for argument in arguments)
    except (KeyError, TypeError, ValueError, AttributeError):
        return document
    rest = {key: value for key, value in container.items() if key != "command"}
    spec = {key: value for key, value in document["spec"].items() if key != "containers"}
    return {**document, "spec": spec, "program": program, "argument": named, "container": rest}
