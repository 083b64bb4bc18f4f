"""Schedules of a deployment, through Prefect's API: create, enable, list and remove them.

Schedules in prefect.yaml would replace those of the server at each `prefect deploy`: one that was enabled would be disabled again.

The server of prefect 3.8.8 sets the parameters of a schedule to {} when a request changes only `active`, as `prefect deployment schedule resume`
and the switch of the UI do. Its runs would then do something else. --enable and --disable send the parameters along.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.exit_codes import PROBLEMS, SUCCESS
from cli.programs import prefect, runnable
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.errors import EnvironmentFault, SpecError
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.problems import Problem

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.client.schemas.schedules import CronSchedule

_SHOWN_RUNS = 200  # the server plans at most 100 runs of each schedule in advance

_HINTS = {
    "cron": "write minute, hour, day of month, month and day of week, such as `0 2 * * *` for 02:00 every day",
    "timezone": "write a name of the IANA time zone database, such as Europe/Berlin or UTC",
}


class NotScheduled(SpecError):
    """The arguments of a schedule are invalid."""

    headline = "nothing was scheduled"


@dataclass(frozen=True, slots=True)
class ScheduledDeployment:
    """A deployment whose schedules a subcommand manages."""

    command: str  # the subcommand
    deployment: str  # FLOW/DEPLOYMENT
    describe: Callable[[Mapping[str, Any]], str]  # what a run with these parameters works on
    clusters: Callable[[Mapping[str, Any]], Sequence[str]]  # the names of saved clusters in these parameters


def add_schedule_arguments(parser: argparse.ArgumentParser, *, cron: str, what: str) -> None:
    """When, and what to do with existing schedules instead. `what`: what a schedule keeps, for the help."""
    add = parser.add_argument
    add("--cron", default=cron, help=f"when, in the time zone of --timezone (default: `{cron}`)")
    add("--timezone", metavar="ZONE", default="UTC", help="name of a time zone, such as Europe/Berlin (default: UTC)")
    add("--overwrite", action="store_true", help="change an existing schedule of this name; an enabled one stays enabled")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="print all schedules of the deployment instead")
    add("--output", choices=["text", "json"], default="text", help="the format of --list")
    instead.add_argument("--enable", metavar="NAME", help=f"enable the schedule NAME instead; it keeps its {what}")
    instead.add_argument("--disable", metavar="NAME", help=f"disable the schedule NAME instead; it keeps its {what}")
    instead.add_argument("--remove", metavar="NAME", help="remove the schedule NAME instead")


def run_schedules(
    scheduled: ScheduledDeployment, options: argparse.Namespace, name: str, parameters: Mapping[str, Any], problems: Iterator[Problem]
) -> int:
    """Do what the options say; a new schedule is inactive. `name`, `parameters` and `problems` of a new one. 1 when another schedule has its name."""

    from cli.required_server import no_deployment, require_server

    instead = options.list or options.enable or options.disable or options.remove
    wanted = None if instead else _schedule(options, problems)
    require_server()
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from blocks.loading import api_url

    try:
        with get_client(sync_client=True) as client:
            schedules = _Schedules(scheduled, client, client.read_deployment_by_name(scheduled.deployment))
            if wanted is not None:
                code = schedules.create(name, wanted, dict(parameters), overwrite=options.overwrite)
                _report_unsaved(scheduled.clusters(parameters))
                return code
            if options.list:
                return schedules.print_all(as_json=options.output == "json")
            if options.remove:
                return schedules.remove(options.remove)
            return schedules.set_active(options.enable or options.disable, active=bool(options.enable))
    except ObjectNotFound:
        raise no_deployment(scheduled.deployment, api_url()) from None
    except httpx.HTTPError as error:
        raise EnvironmentFault(f"the Prefect server at {api_url()} refused the request or did not answer: {error}") from error


def _report_unsaved(clusters: Sequence[str]) -> None:
    """A name that no cluster is saved under may be a typing error: its runs would fail night by night."""
    from blocks.loading import names_of
    from blocks.saved_cluster import SavedCluster

    saved = names_of(SavedCluster)
    for cluster in clusters:
        if cluster not in saved:
            near = nearest_name(cluster, saved)
            hint = f" Did you mean `{near}`?" if near else ""
            print(f"sixstack: no cluster `{cluster}` is saved: the runs fail until it is.{hint}", file=sys.stderr)


def name_problems(name: str) -> Iterator[Problem]:
    """What is wrong with the name of a schedule."""
    from pydantic import TypeAdapter, ValidationError

    from cluster.vocabulary.spec import BlockName

    try:
        TypeAdapter(BlockName).validate_python(name)
    except ValidationError:
        yield Problem("malformed", "--name", f"{name!r} is not a name", "write lower-case letters, digits and inner hyphens")


def cluster_problems(clusters: Sequence[str]) -> Iterator[Problem]:
    """Arguments that are not the names of clusters, or that are there twice."""
    from pydantic import TypeAdapter, ValidationError

    from cluster.vocabulary.spec import ClusterName

    for number, cluster in enumerate(clusters):
        try:
            TypeAdapter(ClusterName).validate_python(cluster)
        except ValidationError:
            yield Problem(
                "malformed", f"CLUSTER {number + 1}", f"{cluster!r} is not a name of a cluster", "write the `name` of a cluster file"
            )
        if cluster in clusters[:number]:
            yield Problem("duplicate-key", f"CLUSTER {number + 1}", f"{cluster!r} is named twice", "name each cluster once")


def _schedule(options: argparse.Namespace, others: Iterator[Problem]) -> CronSchedule:
    """The schedule of the options; NotScheduled lists every fault."""
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    problems = list(others)
    schedule = None
    try:
        schedule = CronSchedule(cron=options.cron, timezone=options.timezone)
    except ValidationError as error:
        for fault in error.errors():
            field = str(fault["loc"][0])
            message = f"{getattr(options, field)!r} is not a {'time zone' if field == 'timezone' else 'cron expression'}"
            problems.append(Problem("malformed", f"--{field}", message, _HINTS[field]))
    if not options.timezone:  # Prefect accepts it
        problems.append(Problem("malformed", "--timezone", "'' is not a time zone", _HINTS["timezone"]))
    if problems or schedule is None:
        raise NotScheduled(problems)
    return schedule


@dataclass(frozen=True, slots=True)
class _Schedules:
    """The schedules of one deployment on the server."""

    scheduled: ScheduledDeployment
    client: SyncPrefectClient
    deployment: DeploymentResponse

    def create(self, name: str, wanted: CronSchedule, parameters: dict[str, Any], *, overwrite: bool) -> int:
        """Create or change a schedule."""
        from prefect.client.schemas.actions import DeploymentScheduleCreate

        existing = self._named(name)
        if existing is None:
            schedule = DeploymentScheduleCreate(schedule=wanted, active=False, parameters=parameters, slug=name)
            (created,) = self.client.create_deployment_schedules(self.deployment.id, [schedule])
            print(f"schedule {name} created, inactive: {self._stated(created)}")
            print(self._how_to_enable(created))
            return SUCCESS
        if existing.schedule == wanted and existing.parameters == parameters:
            print(f"schedule {name} unchanged, {_state(existing)}: {self._stated(existing)}")
        elif not overwrite:
            print(f"schedule {name} differs and was not changed: {self._stated(existing)}")
            print("--overwrite replaces its time and its parameters; --name NAME creates another schedule")
            return PROBLEMS
        else:
            # without `active`: an enabled schedule stays enabled
            self.client.update_deployment_schedule(self.deployment.id, existing.id, schedule=wanted, parameters=parameters)
            changed = existing.model_copy(update={"schedule": wanted, "parameters": parameters})
            print(f"schedule {name} replaced, {_state(changed)}: {self._stated(changed)}")
        if not existing.active:
            print(self._how_to_enable(existing.model_copy(update={"parameters": parameters})))
        return SUCCESS

    def remove(self, name: str) -> int:
        """Remove a schedule, if there is one."""
        if existing := self._named(name):
            self.client.delete_deployment_schedule(self.deployment.id, existing.id)
            print(f"schedule {name} removed")
        else:
            print(f"{self.scheduled.deployment} has no schedule {printable(name)}")
        return SUCCESS

    def set_active(self, name: str, *, active: bool) -> int:
        """Enable or disable a schedule."""
        existing = self._named(name)
        if existing is None:
            print(f"sixstack: {self.scheduled.deployment} has no schedule {printable(name)}", file=sys.stderr)
            return PROBLEMS
        self.client.update_deployment_schedule(self.deployment.id, existing.id, active=active, parameters=existing.parameters)
        print(f"schedule {name} {'active' if active else 'inactive'}: {self._stated(existing)}")
        return SUCCESS

    def print_all(self, *, as_json: bool) -> int:
        """A table, or JSON; the next run is the one that Prefect's scheduler has planned, up to a minute after the schedule was enabled."""
        from cli.columns import print_columns

        rows = [self._as_dict(schedule, next_run) for schedule, next_run in self._next_runs()]
        if as_json:
            print(json.dumps(rows, indent=1))
            return SUCCESS
        lines = [
            (
                *(row["name"] or "-", row["cron"] or row["kind"], row["timezone"], "active" if row["active"] else "inactive"),
                f"{datetime.fromisoformat(row['next_run']).astimezone():%Y-%m-%d %H:%M %Z}" if row["next_run"] else "-",
                json.dumps(row["parameters"]) if row["parameters"] else "-",
                row["id"],
            )
            for row in rows
        ]
        print_columns([("NAME", "CRON", "TIME ZONE", "STATE", "NEXT RUN", "PARAMETERS", "ID"), *lines])
        return SUCCESS

    def _as_dict(self, schedule: DeploymentSchedule, next_run: datetime | None) -> dict[str, Any]:
        """The JSON form. `cron` is null for a schedule of another kind, which the UI can make."""
        return {
            "name": schedule.slug,
            "kind": type(schedule.schedule).__name__,
            "cron": getattr(schedule.schedule, "cron", None),
            "timezone": getattr(schedule.schedule, "timezone", None) or "UTC",
            "active": schedule.active,
            "next_run": next_run.isoformat(timespec="seconds") if next_run is not None else None,
            "parameters": schedule.parameters,
            "id": str(schedule.id),
        }

    def _next_runs(self) -> list[tuple[DeploymentSchedule, datetime | None]]:
        """The schedules, each with the time of its next planned run if it has one."""
        from prefect.client.schemas.filters import (
            DeploymentFilter,
            DeploymentFilterId,
            FlowRunFilter,
            FlowRunFilterState,
            FlowRunFilterStateType,
        )
        from prefect.client.schemas.objects import StateType
        from prefect.client.schemas.sorting import FlowRunSort

        runs = self.client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment.id])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))),
            sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
            limit=_SHOWN_RUNS,
        )
        planned: dict[str, datetime] = {}
        for run in runs:
            if run.created_by is not None and run.next_scheduled_start_time is not None:
                planned.setdefault(str(run.created_by.id), run.next_scheduled_start_time)
        return [(schedule, planned.get(str(schedule.id))) for schedule in self.deployment.schedules]

    def _named(self, name: str) -> DeploymentSchedule | None:
        return next((schedule for schedule in self.deployment.schedules if schedule.slug == name), None)

    def _stated(self, schedule: DeploymentSchedule) -> str:
        cron = schedule.schedule
        when = f"{getattr(cron, 'cron', type(cron).__name__)} ({getattr(cron, 'timezone', None) or 'UTC'})"
        return f"{when}; {self.scheduled.describe(schedule.parameters)}"

    def _how_to_enable(self, schedule: DeploymentSchedule) -> str:
        """Also Prefect's own ways, unless they would remove the parameters of the schedule."""
        ours = runnable(f"to enable it: sixstack {self.scheduled.command} --enable {schedule.slug}")
        if schedule.parameters:
            return (
                f"{ours}\n(the switch in the UI and `{prefect()} deployment schedule resume` would remove the parameters of the schedule)"
            )
        flow = self.scheduled.deployment.partition("/")[0]
        return (
            f"{ours}\nor: {prefect()} deployment schedule resume {self.scheduled.deployment} {schedule.id}\n"
            f"or in the UI: Deployments, `default` of {flow}, the switch of the schedule"
        )


def _state(schedule: DeploymentSchedule) -> str:
    return "active" if schedule.active else "inactive"
