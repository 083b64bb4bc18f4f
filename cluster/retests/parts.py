"""The parts of one retest: which flows run, in which order, with which cluster file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cluster.file.reader import read_document
from cluster.plan.retest_workload import CHANGE_WORKLOAD, COMPARE_WORKLOAD, PLACE_WORKLOAD
from cluster.plan.upgrade_problems import parsed_version
from cluster.retests.order import RetestSettings
from cluster.retests.records import Phase
from cluster.vocabulary.problems import Problem, errors_in
from cluster.vocabulary.spec import ClusterSpec

UPGRADED_FROM = "kubernetes before the upgrade"  # among the versions of a record


class Operation(StrEnum):
    """What a part runs; flows/retest_cluster.py has the flow of each."""

    FREE_HOSTS = "free-hosts"
    CREATE = "create-cluster"
    UPGRADE = "upgrade-cluster"
    PLACE_WORKLOAD = PLACE_WORKLOAD
    BACK_UP = "backup-cluster"
    CHANGE_WORKLOAD = CHANGE_WORKLOAD
    RESTORE = "restore-cluster"
    COMPARE_WORKLOAD = COMPARE_WORKLOAD
    VERIFY = "verify-cluster"
    DELETE = "delete-cluster"


@dataclass(frozen=True, slots=True)
class Part:
    """One flow of a retest. Parts of one phase follow each other, and the history adds their durations."""

    phase: Phase
    operation: Operation
    older: bool = False  # with the older Kubernetes version


FREE = Part(Phase.FREE_HOSTS, Operation.FREE_HOSTS)
DELETE = Part(Phase.DELETE, Operation.DELETE)


def parts_on_free_hosts(settings: RetestSettings) -> tuple[Part, ...]:
    """The parts between FREE and DELETE, in their order.

    The backup comes after the upgrade: a copy can only be restored with the Kubernetes version that it was made with. The network is checked at the
    end; an upgrade also checks it itself.
    """
    parts = [Part(Phase.CREATE, Operation.CREATE, older=bool(settings.upgrade_from))]
    if settings.upgrade_from:
        parts.append(Part(Phase.UPGRADE, Operation.UPGRADE))
    if settings.restore_with:
        parts += [
            Part(Phase.BACKUP, Operation.PLACE_WORKLOAD),
            Part(Phase.BACKUP, Operation.BACK_UP),
            Part(Phase.RESTORE, Operation.CHANGE_WORKLOAD),
            Part(Phase.RESTORE, Operation.RESTORE),
            Part(Phase.RESTORE, Operation.COMPARE_WORKLOAD),
        ]
    return (*parts, Part(Phase.VERIFY, Operation.VERIFY))


def deletes(settings: RetestSettings, *, passed: bool) -> bool:
    """Whether the cluster is deleted at the end."""
    return not (settings.keep_passed if passed else settings.keep_failed)


def older_file(file: Mapping[str, Any], version: str, bundle: str) -> dict[str, Any]:
    """The cluster file with an older version of Kubernetes and its bundle."""
    return {**file, "kubernetes_version": version, "bundle": bundle}


def upgrade_problems(spec: ClusterSpec, version: str, bundle: str) -> tuple[Problem, ...]:
    """Why a cluster cannot be created with the older version and then get that of its file; found before a host is changed."""
    wanted, older = parsed_version(spec.version), parsed_version(version)
    if wanted is None or older is None or not (older < wanted and older[0] == wanted[0] and wanted[1] <= older[1] + 1):
        return (
            Problem(
                "no-upgrade-path",
                "kubernetes_version",
                f"the file has {spec.version.removeprefix('v')}, and the bundle `{bundle}` of `upgrade_from` has {version}",
                "Use a bundle with an older patch release, or with the minor version before that of the file.",
            ),
        )
    document = older_file(spec.model_dump(mode="json", exclude_unset=True), version, bundle)
    return tuple(
        replace(problem, message=f"with Kubernetes {version}: {problem.message}", fix=())
        for problem in errors_in(read_document(document).problems)
    )
