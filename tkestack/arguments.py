"""Extra command-line arguments of the components: those that Kubernetes still has, and that the cluster file does not decide itself."""

from __future__ import annotations

from typing import Literal

from cluster.rules.component_arguments import arguments_of
from cluster.rules.kubeadm import argument_owner
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.releases import Minor, minor_of, minor_text
from tkestack.fields import Fields

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


def _arguments(holder: Fields, field: str, component: Component, minor: Minor) -> dict[str, str]:
    taken: dict[str, str] = {}
    for path, written, value in holder.pairs(field):
        name = written.lstrip("-")
        to = join_path(f"kubeadm.extra_args.{component}", name)
        if (owner := argument_owner(component, name)) is not None:
            holder.report.left(path, f"it is decided by {owner}")
        elif name == "feature-gates":
            holder.report.left(
                path, "feature gates are those of one version of Kubernetes, and a component ends at one that it does not know"
            )
        elif name not in arguments_of(component, minor):
            holder.report.left(path, f"the {component.replace('_', ' ')} of Kubernetes {minor_text(minor)} has no such argument")
        else:
            taken[name] = value
            holder.report.taken(path, to)
            holder.report.comes_from(to, path)
    return taken
