"""`sixstack schedule-retests [CLUSTER...]`: create, enable, list and remove schedules of retest-clusters/default through Prefect's API.

Schedules in prefect.yaml would replace those of the server at each `prefect deploy`: one that was enabled would be disabled again.

The server of prefect 3.8.8 sets the parameters of a schedule to {} when a request changes only `active`, as `prefect deployment schedule resume`
and the switch of the UI do. The schedule would then retest all clusters. --enable and --disable send the parameters along.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cli.exit_codes import PROBLEMS, SUCCESS
from cluster.vocabulary.errors import EnvironmentFault, SpecError
from cluster.vocabulary.problems import Problem

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.client.schemas.schedules import CronSchedule

DEPLOYMENT = "retest-clusters/default"
_SHOWN_RUNS = 200  # the server plans at most 100 runs of each schedule in advance

_HINTS = {
    "cron": "write minute, hour, day of month, month and day of week, such as `0 2 * * *` for 02:00 every day",
    "timezone": "write a name of the IANA time zone database, such as Europe/Berlin or UTC",
}


class NotScheduled(SpecError):
    """The arguments of schedule-retests are invalid."""

    headline = "nothing was scheduled"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add = parser.add_argument
    add(
        "clusters",
        metavar="CLUSTER",
        nargs="*",
        help="names of saved clusters; without names, every run retests all saved clusters whose file has `test_hosts: true`",
    )
    add("--cron", default="0 2 * * *", help="when, in the time zone of --timezone (default: `0 2 * * *`)")
    add("--timezone", metavar="ZONE", default="UTC", help="name of a time zone, such as Europe/Berlin (default: UTC)")
    add("--name", default="nightly", help="name of the schedule, its slug in Prefect (default: nightly)")
    add("--keep-passed", action="store_true", help="the runs do not delete a cluster that passed")
    add("--keep-failed", action="store_true", help="the runs do not delete a cluster that failed; others on its hosts are then skipped")
    add("--overwrite", action="store_true", help="change an existing schedule of this name; an enabled one stays enabled")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="print all schedules of the deployment instead")
    instead.add_argument("--enable", metavar="NAME", help="enable the schedule NAME instead; it keeps its clusters")
    instead.add_argument("--disable", metavar="NAME", help="disable the schedule NAME instead; it keeps its clusters")
    instead.add_argument("--remove", metavar="NAME", help="remove the schedule NAME instead")


def run(options: argparse.Namespace) -> int:
    """Create the schedule, inactive. 1 when another one has its name."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from blocks.loading import api_url
    from cli.server import no_deployment, require_server

    changes = options.enable or options.disable or options.remove
    wanted = None if options.list or changes else _schedule(options)
    require_server()
    try:
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
            if wanted is not None:
                return _create(client, deployment, wanted, options)
            if options.list:
                return _print_schedules(client, deployment)
            if options.remove:
                return _remove(client, deployment, options.remove)
            return _set_active(client, deployment, changes, active=bool(options.enable))
    except ObjectNotFound:
        raise no_deployment(DEPLOYMENT) from None
    except httpx.HTTPError as error:
        raise EnvironmentFault(f"the Prefect server at {api_url()} refused the request or did not answer: {error}") from error


def _schedule(options: argparse.Namespace) -> CronSchedule:
    """The schedule of the options; NotScheduled lists every fault."""
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    problems = list(_problems_of_names(options.clusters, options.name))
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


def _problems_of_names(clusters: list[str], name: str) -> Iterator[Problem]:
    from pydantic import TypeAdapter, ValidationError

    from cluster.vocabulary.spec import BlockName, ClusterName

    for number, cluster in enumerate(clusters):
        try:
            TypeAdapter(ClusterName).validate_python(cluster)
        except ValidationError:
            yield Problem(
                "malformed", f"CLUSTER {number + 1}", f"{cluster!r} is not a name of a cluster", "write the `name` of a cluster file"
            )
        if cluster in clusters[:number]:
            yield Problem("duplicate-key", f"CLUSTER {number + 1}", f"{cluster!r} is named twice", "name each cluster once")
    try:
        TypeAdapter(BlockName).validate_python(name)
    except ValidationError:
        yield Problem("malformed", "--name", f"{name!r} is not a name", "write lower-case letters, digits and inner hyphens")


def _create(client: SyncPrefectClient, deployment: DeploymentResponse, wanted: CronSchedule, options: argparse.Namespace) -> int:
    from prefect.client.schemas.actions import DeploymentScheduleCreate

    chosen = {"clusters": options.clusters, "keep_passed": options.keep_passed, "keep_failed": options.keep_failed}
    parameters: dict[str, Any] = {name: value for name, value in chosen.items() if value}
    existing = _named(deployment, options.name)
    if existing is None:
        schedule = DeploymentScheduleCreate(schedule=wanted, active=False, parameters=parameters, slug=options.name)
        (created,) = client.create_deployment_schedules(deployment.id, [schedule])
        print(f"schedule {options.name} created, inactive: {_when(created)}; {_what(created)}")
        print(_how_to_enable(created))
        return SUCCESS
    if existing.schedule == wanted and existing.parameters == parameters:
        print(f"schedule {options.name} unchanged, {_state(existing)}: {_when(existing)}; {_what(existing)}")
    elif not options.overwrite:
        print(f"schedule {options.name} differs and was not changed: {_when(existing)}; {_what(existing)}")
        print("--overwrite replaces its time and its parameters; --name NAME creates another schedule")
        return PROBLEMS
    else:
        # without `active`: an enabled schedule stays enabled
        client.update_deployment_schedule(deployment.id, existing.id, schedule=wanted, parameters=parameters)
        changed = existing.model_copy(update={"schedule": wanted, "parameters": parameters})
        print(f"schedule {options.name} replaced, {_state(changed)}: {_when(changed)}; {_what(changed)}")
    if not existing.active:
        print(_how_to_enable(existing.model_copy(update={"parameters": parameters})))
    return SUCCESS


def _remove(client: SyncPrefectClient, deployment: DeploymentResponse, name: str) -> int:
    if existing := _named(deployment, name):
        client.delete_deployment_schedule(deployment.id, existing.id)
        print(f"schedule {name} removed")
    else:
        print(f"{DEPLOYMENT} has no schedule {name}")
    return SUCCESS


def _set_active(client: SyncPrefectClient, deployment: DeploymentResponse, name: str, *, active: bool) -> int:
    existing = _named(deployment, name)
    if existing is None:
        print(f"sixstack: {DEPLOYMENT} has no schedule {name}", file=sys.stderr)
        return PROBLEMS
    client.update_deployment_schedule(deployment.id, existing.id, active=active, parameters=existing.parameters)
    print(f"schedule {name} {'active' if active else 'inactive'}: {_when(existing)}; {_what(existing)}")
    return SUCCESS


def _print_schedules(client: SyncPrefectClient, deployment: DeploymentResponse) -> int:
    """A table; the next run is the one that Prefect's scheduler has planned, up to a minute after the schedule was enabled."""
    from cli.columns import print_columns

    next_runs = _next_runs(client, deployment)
    rows = [
        (
            schedule.slug or "-",
            getattr(schedule.schedule, "cron", type(schedule.schedule).__name__),
            getattr(schedule.schedule, "timezone", None) or "UTC",
            _state(schedule),
            next_runs.get(str(schedule.id), "-"),
            json.dumps(schedule.parameters) if schedule.parameters else "-",
            str(schedule.id),
        )
        for schedule in deployment.schedules
    ]
    print_columns([("NAME", "CRON", "TIME ZONE", "STATE", "NEXT RUN", "PARAMETERS", "ID"), *rows])
    return SUCCESS


def _next_runs(client: SyncPrefectClient, deployment: DeploymentResponse) -> dict[str, str]:
    """The time of the next planned run of each schedule that has one, by the schedule's id."""
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterId,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))),
        sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
        limit=_SHOWN_RUNS,
    )
    planned: dict[str, str] = {}
    for run in runs:
        if run.created_by is not None and run.next_scheduled_start_time is not None:
            planned.setdefault(str(run.created_by.id), f"{run.next_scheduled_start_time.astimezone():%Y-%m-%d %H:%M %Z}")
    return planned


def _named(deployment: DeploymentResponse, name: str) -> DeploymentSchedule | None:
    return next((schedule for schedule in deployment.schedules if schedule.slug == name), None)


def _when(schedule: DeploymentSchedule) -> str:
    cron = schedule.schedule
    return f"{getattr(cron, 'cron', type(cron).__name__)} ({getattr(cron, 'timezone', None) or 'UTC'})"


def _what(schedule: DeploymentSchedule) -> str:
    return ", ".join(schedule.parameters.get("clusters") or ["all clusters with `test_hosts: true`"])


def _state(schedule: DeploymentSchedule) -> str:
    return "active" if schedule.active else "inactive"


def _how_to_enable(schedule: DeploymentSchedule) -> str:
    """Also Prefect's own ways, unless they would remove the clusters from the schedule."""
    ours = f"to enable it: sixstack schedule-retests --enable {schedule.slug}"
    if schedule.parameters:
        return f"{ours}\n(the switch in the UI and `prefect deployment schedule resume` would remove the clusters from the schedule)"
    return (
        f"{ours}\nor: prefect deployment schedule resume {DEPLOYMENT} {schedule.id}\n"
        "or in the UI: Deployments, `default` of retest-clusters, the switch of the schedule"
    )
