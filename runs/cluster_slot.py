"""One cluster, one run at a time: a global concurrency limit of 1 per cluster, with a lease, created on first use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import ConcurrencyLeaseHolder, StateType
from prefect.concurrency.sync import concurrency

from cluster.vocabulary.errors import HostBusy
from runs.context import RunContext
from runs.progress import report_progress

LEASE_SECONDS = 60.0  # the shortest that Prefect allows: after a kill the slot is free again within about 71 s (measured)


@contextmanager
def exclusive_run(run: RunContext, wait_seconds: float) -> Iterator[None]:
    """Hold the cluster's slot; a second run reports the holder, waits up to `wait_seconds`, then fails with HostBusy."""
    name = f"sixstack-cluster-{run.cluster}"
    tag = f"cluster:{run.cluster}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
        own_run = client.read_flow_run(UUID(run.id))
        client.update_flow_run(own_run.id, tags={*own_run.tags, tag})
        occupied = client.read_global_concurrency_limit_by_name(name).active_slots > 0
        holder = _holder(client, tag, own_run.id) if occupied else ""
    if occupied:
        report_progress(run, f"waiting up to {wait_seconds:.0f} s for another run on cluster {run.cluster}: {holder}")
    slot = concurrency(
        name,
        occupy=1,
        timeout_seconds=wait_seconds,
        lease_duration=LEASE_SECONDS,
        strict=True,
        holder=ConcurrencyLeaseHolder(type="flow_run", id=own_run.id),
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(slot)
        except TimeoutError as error:
            with get_client(sync_client=True) as client:
                holder = holder or _holder(client, tag, own_run.id)
            raise HostBusy(f"another run holds cluster {run.cluster}: {holder}; waited {wait_seconds:.0f} s") from error
        yield


def _holder(client: SyncPrefectClient, tag: str, own_run: UUID) -> str:
    """The holder of the slot as text: the active runs, else runs that ended so recently that their lease has not expired."""
    tagged = FlowRunFilterTags(all_=[tag])
    active = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tagged, state=_state(StateType.RUNNING, StateType.CANCELLING)))
    if others := [f"{run.name} ({run.id})" for run in active if run.id != own_run]:
        return ", ".join(others)
    recently_ended = FlowRunFilterEndTime(after_=datetime.now(UTC) - timedelta(seconds=LEASE_SECONDS + 30))
    ended = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(tags=tagged, state=_state(StateType.CRASHED, StateType.CANCELLED), end_time=recently_ended)
    )
    names = ", ".join(f"{run.name} ({run.id})" for run in ended if run.id != own_run) or "a run that has just ended"
    return f"{names} (crashed or cancelled; its lease expires within {LEASE_SECONDS + 15:.0f} s)" if ended else names


def _state(*types: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))
