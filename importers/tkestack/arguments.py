"""Extra command-line arguments of the components, except those that Kubernetes removed or that other fields of the cluster file set."""

from __future__ import annotations

from typing import Literal

from cluster.rules.component_arguments import arguments_of
from cluster.rules.kubeadm import argument_owner
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.releases import Minor, minor_of, minor_text
from importers.fields import Fields

Component = Literal["kubelet", "apiserver", "controller_manager", "scheduler", "etcd"]
_FIELDS: dict[str, Component] = {
    "kubeletExtraArgs": "kubelet",
    "apiServerExtraArgs": "apiserver",
    "controllerManagerExtraArgs": "controller_manager",
    "schedulerExtraArgs": "scheduler",
}


def read_arguments(spec: Fields, version: str) -> dict[str, dict[str, str]]:
    """`kubeadm.extra_args` of a Cluster's spec, for the Kubernetes version of the cluster file."""
    minor = minor_of(version)
    found = {component: _arguments(spec, field, component, minor) for field, component in _FIELDS.items()}
    found["etcd"] = _arguments(spec.section("etcd").section("local"), "extraArgs", "etcd", minor)
    return {component: arguments for component, arguments in found.items() if arguments}


def _arguments(fields: Fields, field: str, component: Component, minor: Minor) -> dict[str, str]:
    taken: dict[str, str] = {}
    for path, written, value in fields.pairs(field):
        name = written.lstrip("-")
        to = join_path(f"kubeadm.extra_args.{component}", name)
        if (owner := argument_owner(component, name)) is not None:
            fields.report.not_taken(path, f"{owner} sets this argument")
        elif name == "feature-gates":
            fields.report.not_taken(path, "feature gates belong to one version of Kubernetes, and a component exits at an unknown one")
        elif name not in arguments_of(component, minor):
            fields.report.not_taken(path, f"the {component.replace('_', ' ')} of Kubernetes {minor_text(minor)} has no such argument")
        else:
            taken[name] = value
            fields.report.taken(path, to)
            fields.report.set_origin(to, path)
    return taken
