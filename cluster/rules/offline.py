"""All rules that need the cluster file alone."""

from __future__ import annotations

from cluster.rules import (  # noqa: F401 each registers its rules
    addresses,
    arguments,
    capacity,
    cni,
    components,
    control_plane,
    families,
    kubeadm,
    labels,
    names,
    overlap,
    services,
    ssh,
    versions,
)
from cluster.rules.registry import run_spec_rules
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec


def check_spec(spec: ClusterSpec) -> tuple[Problem, ...]:
    """Every problem of a spec, also of one that was read in part."""
    return tuple(run_spec_rules(spec))
