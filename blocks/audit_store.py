"""The block for the storage of audit records: one record for each attempt of each step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field

from blocks.storage import open_storage
from cluster.vocabulary.records import StepRecord

Record = TypeVar("Record", bound=StepRecord)
DEFAULT_FOLDER = "~/.local/share/sixstack/audit"


class AuditStore(Block):
    """A folder, or another fsspec storage, with one JSON document for each attempt."""

    _block_type_name = "Audit store"
    _block_type_slug = "audit-store"
    _description = (
        "Storage of audit records: one JSON file for each attempt of each step, at CLUSTER/FLOW_RUN/STEP.HOST.ATTEMPT.json, with secrets redacted. "
        "Use a local folder, or an fsspec URL (s3://, gs://, sftp://, ...) whose package is installed for the worker. Records are never changed or removed."
    )
    _code_example = """
```python
from blocks.audit_store import AuditStore

AuditStore(url="/srv/sixstack/audit").save("default", overwrite=True)
```
"""

    url: str = Field(default=DEFAULT_FOLDER, description="Folder on the machine of the Prefect worker, or fsspec URL.")
    options: SecretDict | None = Field(
        default=None, description="Options of the fsspec file system, such as keys and endpoints. Stored encrypted."
    )

    def write(self, record: Record) -> Record:
        """Store a record with the next free attempt number and return it with this number. Records are never overwritten."""
        system, root = self._system()
        folder = f"{root}/{record.cluster}/{record.flow_run}"
        system.makedirs(folder, exist_ok=True)
        pattern = re.compile(rf"{re.escape(record.step)}\.{re.escape(record.host)}\.(\d+)\.json$")
        taken = [int(found[1]) for name in system.ls(folder, detail=False) if (found := pattern.search(str(name)))]
        record = record.model_copy(update={"attempt": max(taken, default=0) + 1})
        with system.open(f"{root}/{record.key}", "wb") as file:
            file.write(record.model_dump_json(indent=1).encode())
        return record

    def records(self, run_or_cluster: str) -> Iterator[dict[str, Any]]:
        """Every record of one flow run (its id) or of one cluster (its name), oldest first."""
        system, root = self._system()
        runs = _folders(system, f"{root}/{run_or_cluster}")
        runs += [f"{cluster}/{run_or_cluster}" for cluster in _folders(system, root)]
        documents = _documents(system, runs)
        yield from sorted(documents, key=lambda document: (document["start"], document["step"], document["host"]))

    def documents(self, cluster: str) -> Iterator[Any]:
        """Every JSON document in a cluster's folder, in no order; None for one that cannot be read, such as one of a killed worker.

        The folder is listed and read in one call each, which storage on a network answers concurrently.
        """
        system, root = self._system()
        paths = [str(path) for path in system.find(f"{root}/{cluster}") if str(path).endswith(".json")]
        contents = system.cat(paths, on_error="return") if paths else {}
        yield from (_parse(content) for content in contents.values())

    def _system(self) -> tuple[Any, str]:
        return open_storage(self.url, self.options)


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


def _documents(system: Any, folders: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The JSON documents in these folders. Only these are listed: a search of the whole store takes longer with every run."""
    for folder in folders:
        try:
            paths = [str(path) for path in system.ls(folder, detail=False)]
        except FileNotFoundError:
            continue
        for path in paths:
            if path.endswith(".json"):
                yield json.loads(system.cat_file(path))
