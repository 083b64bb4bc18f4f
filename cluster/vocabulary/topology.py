"""Roles of the hosts in the control plane. Only this module knows which control plane is the first."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.vocabulary.spec import ClusterSpec, Host


@dataclass(frozen=True, slots=True)
class Topology:
    """The hosts of a cluster by role, each group in file order."""

    seed: Host  # the control plane on which `kubeadm init` runs
    joining: tuple[Host, ...]  # the other control planes
    workers: tuple[Host, ...]

    @property
    def control_planes(self) -> tuple[Host, ...]:
        """The seed, then the joining control planes."""
        return (self.seed, *self.joining)

    @property
    def api_targets(self) -> tuple[Host, ...]:
        """Hosts that run an API server, in the order of preference."""
        return self.control_planes


def topology(spec: ClusterSpec) -> Topology:
    """The topology of a spec without problems, which therefore has a control plane."""
    seed, *joining = spec.control_planes
    return Topology(seed, tuple(joining), spec.workers)
