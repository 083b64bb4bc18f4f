"""The files of `cni: {kind: manifests}`: their paths in a cluster file are relative to it, and the flow reads them on the worker's machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.vocabulary.problems import Severity, errors_in

if TYPE_CHECKING:
    from cluster.file.reader import Reading
    from cluster.vocabulary.problems import Problem
    from cluster.vocabulary.spec import ClusterSpec


def with_manifests(reading: Reading, folder: Path, *, check: bool) -> Reading:
    """The reading with absolute paths, relative to `folder`; with `check` also the problems of the files.

    A missing file with an absolute path in the cluster file is a warning: the Prefect worker's machine may have it.
    """
    assert reading.spec is not None
    names = reading.spec.cni.files
    files = tuple(str(folder / name) for name in names)
    spec: ClusterSpec = reading.spec.model_copy(update={"cni": reading.spec.cni.model_copy(update={"files": files})})
    if not check:
        return replace(reading, spec=spec)
    from kube.pod_networks.manifests import manifest_problems

    elsewhere = {f"cni.files[{index}]" for index, name in enumerate(names) if Path(name).is_absolute()}
    found = tuple(_warning_if_elsewhere(problem, elsewhere) for problem in manifest_problems(spec))
    return replace(reading, spec=None if errors_in(found) else spec, problems=(*reading.problems, *found))


def _warning_if_elsewhere(problem: Problem, elsewhere: set[str]) -> Problem:
    missing = problem.code == "cni-file-missing" and problem.path in elsewhere
    return replace(problem, severity=Severity.WARNING) if missing else problem
