"""All rules that need only the cluster file."""

from __future__ import annotations

from cluster.rules import (  # noqa: F401 each module registers its rules
    addresses,
    arguments,
    capacity,
    cni,
    component_files,
    component_pairs,
    components,
    control_plane,
    families,
    feature_gates,
    kubeadm,
    labels,
    names,
    overlap,
    proxies,
    range_kinds,
    registries,
    services,
    ssh,
    urls,
    versions,
)
from cluster.rules.registry import run_spec_rules
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec


def check_spec(spec: ClusterSpec) -> tuple[Problem, ...]:
    """Every problem of a spec, even if only parts of the spec could be read."""
    return tuple(run_spec_rules(spec))
