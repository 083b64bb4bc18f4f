"""Save the blocks of a lab's cluster: run as a process of its own, in the folder whose prefect.toml names the server.

Reads one JSON object: {"bundle": [name, folder], "credential": [name, key file], "audit": [name, url]}. The key itself is on no command line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import SecretStr

from blocks.artifact_bundle import ArtifactBundle
from blocks.audit_store import AuditStore
from blocks.ssh_credential import SSHCredential


def register(blocks: dict[str, list[str]]) -> None:
    """Save each block, over an older one of its name."""
    name, folder = blocks["bundle"]
    ArtifactBundle(folder=folder).save(name, overwrite=True)
    name, key_file = blocks["credential"]
    SSHCredential(private_key=SecretStr(Path(key_file).read_text(encoding="utf-8"))).save(name, overwrite=True)
    name, url = blocks["audit"]
    AuditStore(url=url).save(name, overwrite=True)


if __name__ == "__main__":
    register(json.loads(sys.argv[1]))
