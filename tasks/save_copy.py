"""Step save-copy: etcd's data and PKI of one host, encrypted for the owner, in the Backup store."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from blocks.backup_store import BackupStore, CopyNotStored
from blocks.loading import load
from cluster.plan.delete import SAVE_COPY
from cluster.plan.graph import PlannedStep
from cluster.plan.values import SNAPSHOT_SECONDS
from cluster.vocabulary.copies import CopyReason, CopyRecord, CopySource, EtcdCopy, LocatedCopy, SavedCopy
from cluster.vocabulary.errors import StepFailed
from hosts.copy_archive import HostCopy
from runs.attempts import Attempt, record_step, step
from runs.context import SpecContext
from runs.scripts import stream_script
from runs.sessions import locked_session

LIMIT = timedelta(seconds=SNAPSHOT_SECONDS) + timedelta(hours=1)  # for the snapshot, and for reading 8 GB at 2.4 MB/s
MOST = 64 * 2**30  # bytes: eight times the largest database that etcd recommends


@step(SAVE_COPY, "planned.subject")
def save_copy(planned: PlannedStep, run: SpecContext) -> LocatedCopy | None:
    """Store a copy, and return where it is; None when the host has nothing to save. The content is on no disk but the host's own and, encrypted, the store's."""
    with record_step(planned, run, CopyRecord) as attempt:
        store, session = load(BackupStore, planned.values["store"]), locked_session(run.host(planned.subject), run)
        with stream_script(attempt, session, "host/save-copy.sh.j2", planned.values, LIMIT, MOST) as (stream, finish):
            files = HostCopy(session.host, stream)
            reason = CopyReason(planned.values["reason"])
            if reason is CopyReason.BACKUP and files.etcd is not EtcdCopy.SNAPSHOT:
                raise StepFailed(session.host, f"there is no snapshot of etcd: {files.etcd_reason or 'the host has no data of etcd'}", "")
            if files.empty:
                finish()
                attempt.found = "the host has no files of etcd or Kubernetes"
                return None
            source = CopySource(
                cluster=run.cluster,
                host=planned.subject,
                kubernetes_version=files.kubernetes_version,
                flow_run=run.id,
                created=datetime.now(UTC),
                etcd=files.etcd,
                etcd_reason=files.etcd_reason,
                test=planned.values["test"],
                reason=reason,
                etcd_version=files.etcd_version,
                revision=files.revision,
            )
            located = store.located(store.write(source, files.archive(source, finish, _cluster_file(run))))
        attempt.extra |= {"saved": located.copy, "location": located.location}
        attempt.change(str(located))
        if planned.values["only_last"]:
            _remove_earlier(attempt, store, lambda: store.remove_replaced(located.copy))
        if (kept := planned.values["kept"]) is not None:
            _remove_earlier(attempt, store, lambda: store.remove_outdated(run.cluster, kept))
        return located


def _cluster_file(run: SpecContext) -> bytes:
    """The fields of the cluster file as JSON, without defaults."""
    return json.dumps(run.spec.model_dump(mode="json", exclude_unset=True), indent=1).encode()


def _remove_earlier(attempt: Attempt, store: BackupStore, remove: Callable[[], tuple[SavedCopy, ...]]) -> None:
    """Earlier copies that cannot be removed are no reason to fail: the new one is stored."""
    try:
        attempt.change(*(f"removed the earlier copy {store.located(copy).location}" for copy in remove()))
    except CopyNotStored as fault:
        attempt.change(f"earlier copies were not removed: {fault}")
