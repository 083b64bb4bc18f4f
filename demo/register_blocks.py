"""Save blocks in the Prefect server of the current folder's prefect.toml: `python -m demo.register_blocks`.

Reads one JSON object from standard input: {TYPE SLUG: {NAME: {FIELD: VALUE}}}.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from prefect.blocks.core import Block

from blocks.artifact_bundle import ArtifactBundle
from blocks.audit_store import AuditStore
from blocks.backup_store import BackupStore
from blocks.saved_cluster import SavedCluster
from blocks.ssh_credential import SSHCredential

TYPES: dict[str, type[Block]] = {
    kind.get_block_type_slug(): kind for kind in (ArtifactBundle, AuditStore, BackupStore, SavedCluster, SSHCredential)
}


def register(blocks: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Save each block; an existing block of its name is overwritten."""
    for slug, named in blocks.items():
        for name, fields in named.items():
            TYPES[slug](**fields).save(name, overwrite=True)


if __name__ == "__main__":
    register(json.load(sys.stdin))
