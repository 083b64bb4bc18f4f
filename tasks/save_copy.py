"""Step save-copy: etcd's data and PKI of one host, encrypted for the owner, in the Backup store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from blocks.backup_store import BackupStore, CopyNotStored
from blocks.loading import load
from cluster.plan.delete import SAVE_COPY
from cluster.plan.graph import PlannedStep
from cluster.plan.values import SNAPSHOT_SECONDS
from cluster.vocabulary.copies import CopyRecord, CopySource, LocatedCopy
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
            )
            located = store.located(store.write(source, files.archive(source, finish)))
        attempt.extra |= {"saved": located.copy, "location": located.location}
        attempt.change(str(located))
        if planned.values["only_last"]:
            _remove_replaced(attempt, store, located)
        return located


def _remove_replaced(attempt: Attempt, store: BackupStore, new: LocatedCopy) -> None:
    """Earlier copies that cannot be removed are no reason to keep the cluster."""
    try:
        attempt.change(*(f"removed the earlier copy {store.located(copy).location}" for copy in store.remove_replaced(new.copy)))
    except CopyNotStored as fault:
        attempt.change(f"earlier copies were not removed: {fault}")
