"""What an upgrade needs to know of a running cluster, beside its nodes and settings. kube/upgrade_state.py reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cluster.vocabulary.problems import Problem
from cluster.vocabulary.releases import Minor

# https://kubernetes.io/blog/2020/09/03/warnings/#metrics: 1 for each deprecated API that was requested since the API server started
_METRIC = re.compile(r"^apiserver_requested_deprecated_apis\{(.*)\} (\S+)$")
# of the file that etcd has allocated, with free pages: etcd compares it with its quota
_STORAGE = re.compile(r"^apiserver_storage_size_bytes\{.*\} ([0-9.e+]{1,30})$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_MINOR = re.compile(r"^(\d{1,4})\.(\d{1,4})$")


@dataclass(frozen=True, slots=True)
class DeprecatedRequest:
    """A deprecated API that clients still use."""

    api: str  # group/version/resource; the core group has no name
    removed_in: Minor


@dataclass(frozen=True, slots=True)
class UpgradeState:
    """The state of a running cluster that decides whether it can be upgraded."""

    api_version: str  # of the API server, with its leading v
    etcd: tuple[str, ...] = ()  # why etcd is not healthy
    etcd_bytes: int = 0  # of etcd's data; 0 if unknown
    deprecated: tuple[DeprecatedRequest, ...] = ()
    losses: tuple[Problem, ...] = ()  # pods that a drain would lose


def deprecated_requests(metrics: str) -> Iterator[DeprecatedRequest]:
    """The deprecated APIs in the metrics of an API server. Those without a release that removes them are left out."""
    for line in metrics.splitlines():
        found = _METRIC.match(line)
        if found is None or found[2] in {"0", "0.0"}:
            continue
        labels = dict(_LABEL.findall(found[1]))
        removed = _MINOR.match(labels.get("removed_release", ""))
        if removed is not None:
            parts = [labels.get(name, "") for name in ("group", "version", "resource", "subresource")]
            yield DeprecatedRequest("/".join(part for part in parts if part), (int(removed[1]), int(removed[2])))


def storage_size(metrics: str) -> int:
    """Bytes of the largest data file of etcd's members in the metrics of an API server; 0 if it has none."""
    return max((_number(found[1]) for line in metrics.splitlines() if (found := _STORAGE.match(line))), default=0)


def _number(text: str) -> int:
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return 0
