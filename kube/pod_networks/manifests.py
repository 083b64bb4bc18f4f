"""A pod network from the owner's files with Kubernetes objects, which are read where the flow runs.

The content of the files is never in a flow parameter, record or log line, because network plug-ins contain Secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec
from cluster.vocabulary.yaml_loader import NotYAML, load_documents
from kube.client import Document
from kube.pod_networks.documents import WORKLOADS

# for docs/reference/problems.md
CODES = {
    "cni-file-missing": "A file of `cni.files` does not exist. A warning if its path is absolute and only the Prefect worker needs the file.",
    "cni-file-unreadable": "A file of `cni.files` cannot be read: the path is relative, or the file is a folder, too large or not UTF-8.",
    "cni-file-malformed": "A file of `cni.files` is not YAML, or contains a document that is not a Kubernetes object. The content is not quoted, because it may be a Secret.",
    "cni-file-without-workload": "The files of `cni.files` contain no DaemonSet and no Deployment, so they cannot be a pod network.",
}
_LARGEST = 10_000_000


def manifest_documents(spec: ClusterSpec) -> list[Document]:
    """The objects of all files, in order; SpecError with all problems of all files."""
    found = [_read(index, Path(name)) for index, name in enumerate(spec.cni.files)]
    problems = [problem for _, faults in found for problem in faults]
    documents = [document for objects, _ in found for document in objects]
    if not problems and not any(document["kind"] in WORKLOADS for document in documents):
        hint = "Write all files of the plug-in. Use `kind: none` for a pod network without a DaemonSet or Deployment"
        problems = [Problem("cni-file-without-workload", "cni.files", "the files contain no DaemonSet and no Deployment", hint)]
    if problems:
        raise SpecError(tuple(problems))
    return documents


def manifest_problems(spec: ClusterSpec) -> tuple[Problem, ...]:
    """The problems in the files of a spec; none for other kinds of pod networks."""
    if not pod_network(spec).from_files:
        return ()
    try:
        manifest_documents(spec)
    except SpecError as error:
        return tuple(error.problems)
    return ()


def _read(index: int, path: Path) -> tuple[list[Document], list[Problem]]:
    at = f"cni.files[{index}]"
    if not path.is_absolute():
        hint = "Write the absolute path on the machine of the Prefect worker (`sixstack` does this for files beside the cluster file)"
        return [], [Problem("cni-file-unreadable", at, f"{path} is a relative path", hint)]
    try:
        if path.stat().st_size > _LARGEST:
            return [], [
                Problem("cni-file-unreadable", at, f"{path} is larger than {_LARGEST // 1_000_000} MB", "Write the path of a manifest")
            ]
        loaded = load_documents(path.read_text(encoding="utf-8"))
    except NotYAML as error:
        # the text may contain a Secret, so nothing of it is quoted
        where = f" (line {error.line})" if error.line is not None else ""
        hint = "Run `kubectl apply --dry-run=client -f FILE` to see the error"
        return [], [Problem("cni-file-malformed", at, f"{path} cannot be used: {error}{where}", hint)]
    except (OSError, ValueError) as error:
        hint = "Put the file on the machine of the Prefect worker, readable for the worker"
        code = "cni-file-missing" if isinstance(error, FileNotFoundError) else "cni-file-unreadable"
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        return [], [Problem(code, at, f"{path} cannot be read: {why}", hint)]
    documents = list(_flat(loaded))
    wrong = [number for number, document in enumerate(documents, start=1) if not _is_object(document)]
    faults = []
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        message = f"document {wrong[0]}{more} of {path} cannot be a Kubernetes object"
        faults = [Problem("cni-file-malformed", at, message, "Write apiVersion, kind and metadata.name in each document")]
    if not documents:
        faults = [
            Problem("cni-file-malformed", at, f"{path} contains no object", "Remove the file from the list, or write objects into it")
        ]
    return [document for document in documents if _is_object(document)], faults


def _flat(loaded: list[object]) -> Iterator[Document]:
    """The documents, with each List replaced by its items."""
    for document in loaded:
        if isinstance(document, dict) and document.get("kind") == "List" and isinstance(document.get("items"), list):
            yield from _flat(document["items"])
        else:
            yield document  # type: ignore[misc] # checked by _is_object


def _is_object(document: object) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        return False
    return all(
        isinstance(value, str) and value for value in (document.get("apiVersion"), document.get("kind"), document["metadata"].get("name"))
    )
