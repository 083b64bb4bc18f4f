"""The context of a run, which every task gets: small, without secrets."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host


@dataclass(frozen=True)
class RunContext:
    """A run on one cluster."""

    cluster: str
    id: str  # of the flow run of the whole operation: the key of sessions and records, the same in its subflow and in flow retries
    audit: str  # name of the Audit store block
    bundle: str  # name of the Artifact bundle block
    started_by: str = field(
        default="", kw_only=True
    )  # id of the flow run that started this one and shows its progress; "" for a run of its own


@dataclass(frozen=True)
class SpecContext(RunContext):
    """A run on the hosts of a cluster file."""

    spec: ClusterSpec

    def host(self, name: str) -> Host:
        """The host of that name."""
        return self.spec.host(name)


@dataclass(frozen=True)
class ClusterContext(SpecContext):
    """A run on a cluster with a resolved spec."""

    spec: ResolvedSpec


@dataclass(frozen=True)
class SavedClusterContext(RunContext):
    """A run on a cluster with a saved kubeconfig, made by sixstack or not."""

    kubeconfig: str  # name of the Saved kubeconfig block
    file: ClusterSpec | None = None  # the cluster file, if there is one


def spec_context(run: RunContext, spec: ClusterSpec) -> SpecContext:
    """The context once the cluster file is read."""
    return SpecContext(run.cluster, run.id, run.audit, run.bundle, spec, started_by=run.started_by)


def cluster_context(run: RunContext, spec: ResolvedSpec) -> ClusterContext:
    """The context once the spec is resolved."""
    return ClusterContext(run.cluster, run.id, run.audit, run.bundle, spec, started_by=run.started_by)


def saved_cluster_context(run: RunContext, kubeconfig: str, file: ClusterSpec | None = None) -> SavedClusterContext:
    """The context of a run on a cluster with a saved kubeconfig."""
    return SavedClusterContext(run.cluster, run.id, run.audit, run.bundle, kubeconfig, file, started_by=run.started_by)
