"""Names of Deployments in the form NAMESPACE/NAME."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cluster.vocabulary.problems import Problem
from kube.client import segment

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# a namespace is an RFC 1123 label, a Deployment's name an RFC 1123 subdomain
_NAME = re.compile(rf"{_LABEL}/(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class DeploymentName:
    """One Deployment of the cluster."""

    namespace: str
    name: str

    @property
    def collection(self) -> str:
        """The path of the Deployments in the namespace."""
        return f"/apis/apps/v1/namespaces/{segment(self.namespace)}/deployments"

    @property
    def path(self) -> str:
        """The path of the Deployment."""
        return f"{self.collection}/{segment(self.name)}"

    @property
    def pods(self) -> str:
        """The path of the pods in the namespace."""
        return f"/api/v1/namespaces/{segment(self.namespace)}/pods"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def read_names(texts: Iterable[str]) -> tuple[tuple[DeploymentName, ...], tuple[Problem, ...]]:
    """The names, and a problem for each malformed or duplicate name."""
    names: list[DeploymentName] = []
    problems: list[Problem] = []
    for number, text in enumerate(texts):
        at = f"deployments[{number}]"
        if not _NAME.fullmatch(text):
            problems.append(
                Problem("malformed", at, f"`{text}` is not NAMESPACE/NAME", "Write NAMESPACE/NAME, such as tke/tke-platform-api")
            )
        elif (name := DeploymentName(*text.split("/"))) in names:
            problems.append(Problem("duplicate-deployment", at, f"{name} is listed twice", "Remove one of the entries"))
        else:
            names.append(name)
    if not names and not problems:
        problems.append(Problem("missing-value", "deployments", "the list of Deployments is empty", "Write at least one NAMESPACE/NAME"))
    return tuple(names), tuple(problems)
