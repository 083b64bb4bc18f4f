"""One attempt of one step: what every task does around its own work, so that no attempt goes without a record."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, TypeVar

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import emit_event
from prefect.logging import get_logger
from prefect.tasks import Task, exponential_backoff

from blocks.audit_store import AuditStore
from blocks.loading import NoBlock, load
from cluster.vocabulary.errors import EnvironmentFault, SixstackError, TryAgain
from cluster.vocabulary.records import Outcome, StepRecord
from cluster.vocabulary.redaction import redact


@dataclass(frozen=True)
class Where:
    """What every task of a run knows: small, plain, secret-free."""

    cluster: str
    run: str  # id of the root flow run: the key of sessions and records, the same in subflows and in flow retries
    audit: str  # name of the Audit store block
    bundle: str  # name of the Artifact bundle block


Record = TypeVar("Record", bound=StepRecord)
DEFAULT_STORE = "default"  # the block that a cluster file means when it names none


@dataclass
class Attempt(Generic[Record]):
    """What an attempt has found and done so far; its record is written when the attempt ends, however it ends."""

    step: str
    host: str
    record_type: type[Record]
    outcome: Outcome = Outcome.UNCHANGED
    found: str = ""
    changed: list[str] = field(default_factory=list)
    script_sha256: str | None = None
    exit_code: int | None = None
    output: str = ""
    secrets: set[str] = field(default_factory=set)
    extra: dict[str, Any] = field(default_factory=dict)  # further fields of the record type
    written: Record | None = None

    @property
    def record(self) -> Record:
        """The record as stored; there is one once the attempt has ended."""
        assert self.written is not None
        return self.written

    def change(self, *what: str) -> None:
        """Note what was changed; the attempt then counts as one that changed something."""
        self.changed += what
        if what:
            self.outcome = Outcome.CHANGED


@contextmanager
def attempt(step: str, host: str, where: Where, record_type: type[Record]) -> Iterator[Attempt[Record]]:
    """Run one attempt: log one line for people, write one record, whatever happens inside."""
    this = Attempt(step, host, record_type)
    start = datetime.now(UTC)
    error: str | None = None
    clean = _Redactor(this.secrets)
    try:
        yield this
    except BaseException as raised:
        this.outcome = Outcome.FAILED
        clean.error(raised)  # Prefect keeps its text in states and logs
        error = str(raised) if isinstance(raised, SixstackError) else "".join(traceback.format_exception(raised))
        this.exit_code = getattr(raised, "exit_code", this.exit_code)
        this.output = getattr(raised, "output", "") or this.output
        raise
    finally:
        record = record_type(
            cluster=where.cluster,
            host=host,
            step=step,
            flow_run=where.run,
            attempt=1,  # the store gives the number
            outcome=this.outcome,
            found=clean(this.found),
            changed=tuple(clean(change) for change in this.changed),
            script_sha256=this.script_sha256,
            exit_code=this.exit_code,
            start=start,
            end=datetime.now(UTC),
            output=clean(this.output)[-20_000:],
            error=clean(error) if error is not None else None,
            **this.extra,
        )
        this.written = _write(where, record)
        tell(where, _line(this.written), event=f"sixstack.step.{this.written.outcome}", about=f"{step} {host}")


class _Redactor:
    """redact() with this attempt's secrets."""

    def __init__(self, secrets: set[str]) -> None:
        self._secrets = secrets

    def __call__(self, text: str) -> str:
        return redact(text, self._secrets)

    def error(self, raised: BaseException) -> None:
        """Redact an exception in place: what it says, and the attributes that errors of ours carry."""
        raised.args = tuple(self(each) if isinstance(each, str) else each for each in raised.args)
        for name in ("found", "do", "output"):
            if isinstance(text := getattr(raised, name, None), str):
                setattr(raised, name, self(text))


def _line(record: StepRecord) -> str:
    seconds = (record.end - record.start).total_seconds()
    changed = "; ".join(record.changed) if len(record.changed) < 4 else f"{len(record.changed)} changes, the last: {record.changed[-1]}"
    what = record.error or changed or record.found or "nothing to do"
    return f"{record.step} {record.host}: {record.outcome.value} in {seconds:.1f} s: {what}"


def _write(where: Where, record: Record) -> Record:
    """Store the record; a step that leaves none has failed, whatever it did."""
    store = _store(where)
    try:
        return store.write(record)
    except Exception as fault:  # each storage has its own
        did = f"the step itself failed: {record.error}" if record.error else f"the step itself was done: {record.outcome.value}"
        raise EnvironmentFault(f"the audit store `{where.audit}` at {store.url} cannot be written ({fault}); {did}") from fault


@cache
def _store(where: Where) -> AuditStore:
    """The run's audit store, looked up once; a first run has none yet, and gets the local folder that is the block's default."""
    try:
        return load(AuditStore, where.audit)
    except NoBlock:
        if where.audit != DEFAULT_STORE:
            raise
    store = AuditStore()
    store.save(DEFAULT_STORE, overwrite=True)  # another first run may have saved the same meanwhile
    tell(where, f"audit records go to {store.url} on the worker's machine: there was no Audit store block `{DEFAULT_STORE}`, now there is")
    return store


def tell(where: Where, line: str, *, event: str = "sixstack.run.progress", about: str = "") -> None:
    """Say a line, redacted, to whoever watches the run: in the root flow run's log, and as an event of that run.

    The event reaches `prefect deployment run --watch`, `sixstack create` and automations on every server; log streams are off by default.
    """
    line = redact(line)
    get_logger("prefect.flow_runs").info(line, extra={"flow_run_id": where.run, "flow_run_name": where.cluster, "flow_name": ""})
    emit_event(
        event,
        resource={
            "prefect.resource.id": f"sixstack.cluster.{where.cluster}",
            "prefect.resource.name": about or line.splitlines()[0],
        },
        related=[{"prefect.resource.id": f"prefect.flow-run.{where.run}", "prefect.resource.role": "flow-run"}],
        payload={"line": line},
    )


def may_pass(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Prefect's retry condition: only errors that can pass by themselves are worth another attempt."""
    try:
        state.result()
    except TryAgain:
        return True
    except BaseException:
        return False
    return False


Result = TypeVar("Result")


def step(name: str, subject: str = "", *, retries: int = 3) -> Callable[[Callable[..., Result]], Task[..., Result]]:
    """A task that is one step: its runs are named NAME SUBJECT for people, retried with backoff where it can pass, never cached or pickled."""

    def decorate(function: Callable[..., Result]) -> Task[..., Result]:
        # `...`: Prefect adds wait_for and return_state to submit, which a precise signature would refuse
        return Task(
            function,
            name=name,
            task_run_name=f"{name} {{{subject}}}" if subject else name,
            retries=retries,
            retry_delay_seconds=exponential_backoff(backoff_factor=2),
            retry_jitter_factor=0.3,
            retry_condition_fn=may_pass,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    return decorate
