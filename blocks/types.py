"""Every block type: `prefect block register --module blocks.types` registers them with one start of Prefect instead of seven."""

from __future__ import annotations

from prefect.blocks.core import Block

from blocks.artifact_bundle import ArtifactBundle
from blocks.audit_store import AuditStore
from blocks.backup_store import BackupStore
from blocks.recorded_host_keys import RecordedHostKeys
from blocks.saved_cluster import SavedCluster
from blocks.saved_kubeconfig import SavedKubeconfig
from blocks.ssh_credential import SSHCredential

BLOCK_TYPES: tuple[type[Block], ...] = (
    ArtifactBundle,
    AuditStore,
    BackupStore,
    RecordedHostKeys,
    SavedCluster,
    SavedKubeconfig,
    SSHCredential,
)
