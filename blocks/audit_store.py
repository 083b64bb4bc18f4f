"""The block for the storage of audit records: one record for each attempt of each step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field

from blocks.new_file import create_file, make_private_folder, replace_file
from blocks.storage import open_storage
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.record_chain import StoredFile, parse_record
from cluster.vocabulary.records import RunHead
from cluster.vocabulary.redacted_errors import redacted_error
from cluster.vocabulary.redaction import redact

DEFAULT_FOLDER = "~/.local/share/sixstack/audit"
_LAST_RUNS = "last-runs"  # in a cluster's folder: the heads that its next run names


@dataclass(frozen=True)
class StoredRecords:
    """The records that were read, and the path and reason of each that could not be."""

    documents: list[dict[str, Any]]
    unreadable: list[tuple[str, str]]


class AuditStore(Block):
    """A folder, or another fsspec storage, with one JSON document for each attempt."""

    _block_type_name = "Audit store"
    _block_type_slug = "audit-store"
    _description = (
        "Storage of audit records: one JSON file for each attempt of each step, at CLUSTER/FLOW_RUN/STEP.HOST.ATTEMPT.json, with secrets redacted. "
        "Use a local folder, or an fsspec URL (s3://, gs://, sftp://, ...) whose package is installed for the worker. Records are never changed or removed; they form a hash chain that `sixstack audit --verify` checks."
    )
    _code_example = """
```python
from blocks.audit_store import AuditStore

AuditStore(url="/srv/sixstack/audit").save("default", overwrite=True)
records = AuditStore.load("default").documents("demo")
```
"""

    url: str = Field(default=DEFAULT_FOLDER, description="Folder on the machine of the Prefect worker, or fsspec URL.")
    options: SecretDict | None = Field(
        default=None, description="Options of the fsspec file system, such as keys and endpoints. Stored encrypted."
    )

    def require_file_system(self) -> None:
        """EnvironmentFault when no installed package knows the URL. Nothing is connected."""
        from fsspec.core import split_protocol
        from fsspec.registry import get_filesystem_class

        for part in self.url.split("::"):
            protocol, _ = split_protocol(part)
            try:
                get_filesystem_class(protocol)
            except (ImportError, ValueError) as error:
                raise EnvironmentFault(f"the URL of the audit store cannot be used: {error}") from error

    def create(self, path: str, content: bytes) -> None:
        """Create a file at a path below the folder; FileExistsError when there is one. Its folder exists."""
        system, root = self._system()
        if _is_local(system):
            create_file(Path(root, path), content)
        else:
            system.pipe_file(f"{root}/{path}", content, mode="create")

    def content(self, path: str) -> bytes:
        """The content of a file."""
        system, root = self._system()
        return bytes(system.cat_file(f"{root}/{path}"))

    def make_run_folder(self, cluster: str, run: str) -> None:
        """Create the folder of a run. A new local folder has mode 0700."""
        system, root = self._system()
        if _is_local(system):
            make_private_folder(Path(root, cluster, run))
        else:
            system.makedirs(f"{root}/{cluster}/{run}", exist_ok=True)

    def last_runs(self, cluster: str) -> tuple[RunHead, ...]:
        """The heads of the runs that the cluster's next run names; () when they are not known."""
        with self._reading():
            try:
                found = json.loads(self.content(f"{cluster}/{_LAST_RUNS}"))
                return tuple(RunHead.model_validate(head) for head in found)
            except (FileNotFoundError, ValueError, TypeError, RecursionError):
                return ()

    def save_last_runs(self, cluster: str, heads: Iterable[RunHead]) -> None:
        """Replace these heads."""
        system, root = self._system()
        content = json.dumps([head.model_dump() for head in heads], indent=1).encode()
        if _is_local(system):
            replace_file(Path(root, cluster, _LAST_RUNS), content)
        else:
            system.pipe_file(f"{root}/{cluster}/{_LAST_RUNS}", content)

    def run_files(self, cluster: str, run: str) -> list[StoredFile]:
        """The records of one run, in no order."""
        system, root = self._system()
        system.invalidate_cache()
        return _read(system, root, [path for path in _files(system, f"{root}/{cluster}/{run}") if path.endswith(".json")])

    def files(self, cluster: str) -> list[StoredFile]:
        """Every file in the run folders of a cluster, in no order. Files that are no records have no content."""
        with self._reading():
            return self._files(cluster)

    def _files(self, cluster: str) -> list[StoredFile]:
        system, root = self._system()
        paths = [str(path) for path in system.find(f"{root}/{cluster}")]
        inside = [path for path in paths if path.removeprefix(f"{root}/{cluster}/").count("/") == 1]
        others = [StoredFile(path.removeprefix(f"{root}/"), None, "not a record") for path in inside if not path.endswith(".json")]
        return _read(system, root, [path for path in inside if path.endswith(".json")]) + others

    def clusters_of(self, run_or_cluster: str) -> list[str]:
        """The cluster of this name, and the clusters that have a run with this id."""
        with self._reading():
            system, root = self._system()
            clusters = [path.rstrip("/").rpartition("/")[2] for path in _folders(system, root)]
            return [name for name in clusters if name == run_or_cluster or _files(system, f"{root}/{name}/{run_or_cluster}")]

    def read(self, run_or_cluster: str) -> StoredRecords:
        """Every record of one flow run (its id) or of one cluster (its name), oldest first; and what cannot be read."""
        records, unreadable = [], []
        with self._reading():
            for file in self._records(run_or_cluster):
                document = parse_record(file)
                if isinstance(document, str):
                    unreadable.append((file.path, document))
                else:
                    records.append(document)
        return StoredRecords(sorted(records, key=lambda record: (record["start"], record["step"], record["host"])), sorted(unreadable))

    def _records(self, run_or_cluster: str) -> list[StoredFile]:
        """Only these folders are listed: a search of the whole store takes longer with every run."""
        system, root = self._system()
        runs = _folders(system, f"{root}/{run_or_cluster}")
        runs += [f"{cluster.rstrip('/')}/{run_or_cluster}" for cluster in _folders(system, root)]
        return _read(system, root, [path for run in runs for path in _files(system, run) if path.endswith(".json")])

    def documents(self, cluster: str) -> list[Any]:
        """Every JSON document in a cluster's folder, in no order; None for one that cannot be read.

        The folder is listed and read in one call each, which storage on a network answers concurrently.
        """
        with self._reading():
            system, root = self._system()
            paths = [str(path) for path in system.find(f"{root}/{cluster}") if str(path).endswith(".json")]
            contents = system.cat(paths, on_error="return") if paths else {}
        return [_parse(content) for content in contents.values()]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """EnvironmentFault when the store does not answer."""
        try:
            yield
        except Exception as fault:  # each storage has its own
            reason = redact(f"{type(fault).__name__}: {fault}")  # fsspec accepts a password in the URL
            raise EnvironmentFault(f"the audit store at {redact(self.url)} cannot be read: {reason}") from redacted_error(fault)

    def _system(self) -> tuple[Any, str]:
        return open_storage(self.url, self.options)


def _is_local(system: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(system, LocalFileSystem)


def _parse(content: object) -> Any:
    """The document; None when the content is not JSON, or is the error of reading it."""
    try:
        return json.loads(content) if isinstance(content, bytes) else None
    except (ValueError, RecursionError):
        return None


def _folders(system: Any, path: str) -> list[str]:
    """The folders in a folder; [] when there is no such folder."""
    try:
        return [str(entry["name"]) for entry in system.ls(path, detail=True) if entry["type"] == "directory"]
    except FileNotFoundError:
        return []


def _files(system: Any, folder: str) -> list[str]:
    """The paths in a folder; [] when there is no such folder."""
    try:
        return [str(path) for path in system.ls(folder, detail=False)]
    except FileNotFoundError:
        return []


def _read(system: Any, root: str, paths: list[str]) -> list[StoredFile]:
    contents = system.cat(paths, recursive=False, on_error="return") if paths else {}
    return [
        StoredFile(path.removeprefix(f"{root}/"), content, "")
        if isinstance(content, bytes)
        else StoredFile(path.removeprefix(f"{root}/"), None, f"{type(content).__name__}: {content}")
        for path, content in contents.items()
    ]
