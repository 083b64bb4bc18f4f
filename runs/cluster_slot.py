"""One cluster, one run at a time: a global concurrency limit of 1 per cluster, with a lease, created on first use.

The run that holds the slot has the id of its lease in its labels. When the server knows that this run has ended, the next run releases exactly that
lease, and does not wait for its expiry. A run that only seems dead loses nothing else: it holds the locks of its hosts (hosts/lock.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import ConcurrencyLeaseHolder, FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.concurrency._leases import maintain_concurrency_lease
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.runtime import flow_run

from cluster.vocabulary.errors import HostBusy
from cluster.vocabulary.parameters import require, seconds_problems
from runs.context import RunContext
from runs.progress import report_progress

# the shortest that Prefect allows; where nobody reports the end of a run, its slot is free again within about 71 s (measured)
LEASE_SECONDS = 60.0
_ASK_SECONDS = 1.0  # between two tries for the slot: the server announces nothing when a slot is free
_LEASE = "sixstack.lease"  # label: id of the lease
_ROOT = "sixstack.started-by"  # label: id of the run that started the holder, which may be known to have ended before it
SUBFLOW_TAG = "subflow"
_CONTENDERS = 30  # newest runs on the cluster that are looked at, with their subflows


@contextmanager
def exclusive_run(run: RunContext, wait_seconds: int) -> Iterator[None]:
    """Hold the cluster's slot; a second run reports the holder, waits up to `wait_seconds`, then fails with HostBusy."""
    require(*seconds_problems(wait_seconds=wait_seconds))
    with get_client(sync_client=True) as client:
        lease = _Slot(client, run).acquire(wait_seconds)
    try:
        with maintain_concurrency_lease(lease, LEASE_SECONDS, raise_on_lease_renewal_failure=True):
            yield
    finally:
        with get_client(sync_client=True) as client:
            _release(client, UUID(run.id), lease)


def tag_run(client: SyncPrefectClient, run: UUID, cluster: str) -> FlowRun:
    """Tag a flow run with its cluster, also one that fails before it asks for the slot; the run as it was before."""
    found = client.read_flow_run(run)
    if cluster_tag(cluster) not in found.tags:
        client.update_flow_run(run, tags={*found.tags, cluster_tag(cluster)})
    return found


def cluster_tag(cluster: str) -> str:
    """The tag of all runs on a cluster."""
    return f"cluster:{cluster}"


def tag_subflow(cluster: str) -> None:
    """Tag the current flow run, which executes the plan of another run in that run's slot. Prefect's `tags` would tag its tasks too, and then
    asks for the concurrency limits of the tags before every task."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(UUID(str(flow_run.id)), tags={cluster_tag(cluster), SUBFLOW_TAG})


def is_subflow(run: FlowRun) -> bool:
    """Whether a flow run is a part of another one with the same cluster tag."""
    return SUBFLOW_TAG in run.tags


def create_limit(client: SyncPrefectClient, limit: str) -> None:
    """A concurrency limit of 1, unless it exists; also when another process creates it at this moment."""
    with suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(limit, 1)


def take_lease(client: SyncPrefectClient, limit: str, holder: ConcurrencyLeaseHolder | None = None) -> UUID | None:
    """A lease of a concurrency limit; None when it is occupied."""
    try:
        answer = client.increment_concurrency_slots_with_lease([limit], 1, "concurrency", LEASE_SECONDS, holder)
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.LOCKED:
            raise
        return None
    return UUID(answer.json()["lease_id"])


class _Slot:
    """The slot of a run's cluster."""

    def __init__(self, client: SyncPrefectClient, run: RunContext) -> None:
        self._client, self._run = client, run
        self._id, self._tag, self._name = UUID(run.id), cluster_tag(run.cluster), f"sixstack-cluster-{run.cluster}"
        create_limit(client, self._name)
        own = tag_run(client, self._id, run.cluster)
        if earlier := own.labels.get(_LEASE):  # this run itself, retried after it had crashed
            _release(client, self._id, UUID(str(earlier)))

    def acquire(self, wait_seconds: int) -> UUID:
        """The lease of the slot; HostBusy when another run still holds it after `wait_seconds`."""
        deadline = time.monotonic() + wait_seconds
        holder = ""
        while (lease := self._take(self._name)) is None:
            if not holder:
                holder = _holder(self._client, self._tag, self._id)
                report_progress(self._run, f"waiting up to {wait_seconds} s for another run on cluster {self._run.cluster}: {holder}")
            if self._release_lease_of_ended_run():
                continue
            if time.monotonic() > deadline:
                raise HostBusy(f"another run holds cluster {self._run.cluster}: {holder}; waited {wait_seconds} s")
            time.sleep(_ASK_SECONDS)
        self._client.update_flow_run_labels(self._id, {_LEASE: str(lease), _ROOT: self._run.started_by})
        return lease

    def _take(self, name: str) -> UUID | None:
        """A lease of the slot, None when it is occupied."""
        return take_lease(self._client, name, ConcurrencyLeaseHolder(type="flow_run", id=self._id))

    def _release_lease_of_ended_run(self) -> bool:
        """Release the lease of a run that has ended without doing so. One run at a time does this: a lease that two release frees two slots."""
        if not any(self._ended_with_lease(found) for found in self._contenders()):
            return False
        guard = f"{self._name}-takeover"
        create_limit(self._client, guard)
        if (lease := self._take(guard)) is None:
            return False
        try:
            ended = [found for found in self._contenders() if self._ended_with_lease(found)]
            for found in ended:
                _release(self._client, found.id, UUID(str(found.labels[_LEASE])))
                report_progress(
                    self._run,
                    f"taking over from {found.name} ({found.id}), which has ended without giving cluster {self._run.cluster} back",
                )
            return bool(ended)
        finally:
            self._client.release_concurrency_slots_with_lease(lease)

    def _contenders(self) -> list[FlowRun]:
        """The newest other runs on the cluster."""
        found = self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[self._tag])),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_CONTENDERS,
        )
        return [other for other in found if other.id != self._id]

    def _ended_with_lease(self, found: FlowRun) -> bool:
        """Whether the server knows that a run has ended, itself or the run that started it, and its lease may still count."""
        if not found.labels.get(_LEASE):
            return False
        if found.state is not None and found.state.is_final():
            return True
        root = str(found.labels.get(_ROOT) or "")
        if not root or root == self._run.started_by:
            return False
        try:
            state = self._client.read_flow_run(UUID(root)).state
        except ObjectNotFound:  # it was deleted
            return True
        return state is not None and state.is_final()


def _release(client: SyncPrefectClient, run: UUID, lease: UUID) -> None:
    """Give back the slot that a run holds, or held."""
    client.release_concurrency_slots_with_lease(lease)
    client.update_flow_run_labels(run, {_LEASE: ""})


def _holder(client: SyncPrefectClient, tag: str, own_run: UUID) -> str:
    """The holder of the slot as text: the active runs, else runs that ended so recently that their lease has not expired."""
    tagged = FlowRunFilterTags(all_=[tag])
    active = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tagged, state=_state(StateType.RUNNING, StateType.CANCELLING)))
    if others := [f"{run.name} ({run.id})" for run in active if run.id != own_run and not is_subflow(run)]:
        return ", ".join(others)
    recently_ended = FlowRunFilterEndTime(after_=datetime.now(UTC) - timedelta(seconds=LEASE_SECONDS + 30))
    ended = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(tags=tagged, state=_state(StateType.CRASHED, StateType.CANCELLED), end_time=recently_ended)
    )
    names = ", ".join(f"{run.name} ({run.id})" for run in ended if run.id != own_run and not is_subflow(run)) or "a run that has just ended"
    return f"{names} (crashed or cancelled)" if ended else names


def _state(*types: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))
