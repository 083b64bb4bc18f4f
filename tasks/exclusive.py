"""One cluster, one run at a time: a global concurrency limit of 1 per cluster, with a lease, made on first use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType, FlowRunFilterTags
from prefect.client.schemas.objects import ConcurrencyLeaseHolder, StateType
from prefect.concurrency.sync import concurrency

from cluster.errors import HostBusy
from tasks.attempt import Where, tell

LEASE_SECONDS = 60.0  # the shortest that Prefect allows: after a kill the slot is free again within about 71 s (measured)


@contextmanager
def only_run(where: Where, wait_seconds: float) -> Iterator[None]:
    """Hold the cluster's slot; a second run waits up to `wait_seconds`, says for which run, then fails with HostBusy."""
    name = f"sixstack-cluster-{where.cluster}"
    tag = f"cluster:{where.cluster}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
        mine = client.read_flow_run(UUID(where.run))
        holders = [run for run in client.read_flow_runs(flow_run_filter=_running(tag)) if run.id != mine.id]
        client.update_flow_run(mine.id, tags={*mine.tags, tag})
    holder = ", ".join(f"{run.name} ({run.id})" for run in holders)
    if holder:
        tell(where, f"waiting up to {wait_seconds:.0f} s for another run on cluster {where.cluster}: {holder}")
    slot = concurrency(
        name,
        occupy=1,
        timeout_seconds=wait_seconds,
        lease_duration=LEASE_SECONDS,
        strict=True,
        holder=ConcurrencyLeaseHolder(type="flow_run", id=mine.id),
    )
    try:
        slot.__enter__()
    except TimeoutError as error:
        raise HostBusy(
            f"cluster {where.cluster} is worked on by another run: {holder or 'one that has just ended or died'}; waited {wait_seconds:.0f} s"
        ) from error
    try:
        yield
    finally:
        slot.__exit__(None, None, None)


def _running(tag: str) -> FlowRunFilter:
    return FlowRunFilter(
        tags=FlowRunFilterTags(all_=[tag]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
    )
