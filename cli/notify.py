"""`sixstack notify --webhook BLOCK`: install the automations of deployments/automations/notifications.yaml.template, or write them to a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from cli.block_names import block_name
from cli.exit_codes import SUCCESS, USAGE
from cli.programs import prefect
from cluster.vocabulary.errors import EnvironmentFault

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import Automation, AutomationCore

TEMPLATE = Path(__file__).parents[1] / "deployments" / "automations" / "notifications.yaml.template"
_LEAST_SECONDS = 10  # Prefect's minimum for a trigger that waits for an event
_MOST_HOURS = 24 * 366
_ANY = "00000000-0000-0000-0000-000000000000"  # instead of a block, to read the names of the automations


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    does = parser.add_mutually_exclusive_group(required=True)
    does.add_argument("--webhook", metavar="BLOCK", type=block_name, help="name of the Webhook block that is called")
    does.add_argument("--remove", action="store_true", help="remove the automations")
    parser.add_argument("--hours", type=_hours, default=48.0, help="report when no retest has passed for this time (default: 48)")
    parser.add_argument("-o", "--to", metavar="FILE", help="write the automations to FILE (.yaml) instead of installing them")


def run(options: argparse.Namespace) -> int:
    """Install the automations, inactive; those that exist are updated in place and stay enabled or disabled."""
    from cli.required_server import require_server

    require_server()
    import httpx
    from prefect.client.orchestration import get_client

    from blocks.loading import api_url

    text = _file(_ANY if options.remove else str(_block_id(options.webhook)), options.hours)
    if options.to is not None and not options.remove:
        return _write(text, Path(options.to))
    try:
        with get_client(sync_client=True) as client:
            for automation in _automations(text):
                outcome = _remove(client, automation) if options.remove else _install(client, automation)
                print(f"automation `{automation.name}`: {outcome}")
    except httpx.HTTPError as error:
        raise EnvironmentFault(f"the Prefect server at {api_url()} refused the request or did not answer: {error}") from error
    return SUCCESS


def _hours(text: str) -> float:
    """The number of hours; ArgumentTypeError when Prefect cannot wait for this time."""
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not _LEAST_SECONDS / 3600 <= hours <= _MOST_HOURS:  # also NaN
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours from 0.003 to {_MOST_HOURS}")
    return hours


def _block_id(name: str) -> UUID:
    """The id of the Webhook block's document; NoBlock when it does not exist."""
    from prefect.blocks.webhook import Webhook

    from blocks.loading import load

    document = load(Webhook, name)._block_document_id
    assert document is not None  # it was loaded from there
    return document


def _file(webhook: str, hours: float) -> str:
    text = TEMPLATE.read_text(encoding="utf-8")
    return Template(text).substitute(webhook=webhook, hours=f"{hours:g}", seconds=f"{hours * 3600:g}")


def _automations(text: str) -> Iterator[AutomationCore]:
    import yaml
    from prefect.events.schemas.automations import AutomationCore

    document: dict[str, Any] = yaml.safe_load(text)
    return map(AutomationCore.model_validate, document["automations"])


def _install(client: SyncPrefectClient, wanted: AutomationCore) -> str:
    """Create the automation, or update it in place; its duplicates, of `prefect automation create`, are removed."""
    existing = sorted(client.read_automations_by_name(wanted.name), key=lambda automation: not automation.enabled)
    if not existing:
        client.create_automation(wanted)
        return f"created, inactive; to enable it: {prefect()} automation resume '{wanted.name}'"
    kept, *duplicates = existing
    for duplicate in duplicates:
        client.delete_automation(duplicate.id)
    wanted.enabled = kept.enabled
    # an update begins the time without a passed retest again, so there is none without a change
    unchanged = _content(kept) == _content(wanted)
    if not unchanged:
        client.update_automation(kept.id, wanted)
    removed = f", {len(duplicates)} duplicate{'s' if len(duplicates) != 1 else ''} removed" if duplicates else ""
    return f"{'unchanged' if unchanged else 'updated'}{removed}, {'active' if kept.enabled else 'inactive'}"


def _content(automation: Automation | AutomationCore) -> dict[str, Any]:
    return automation.model_dump(include={"name", "description", "enabled", "trigger", "actions"})


def _remove(client: SyncPrefectClient, automation: AutomationCore) -> str:
    existing = client.read_automations_by_name(automation.name)
    for found in existing:
        client.delete_automation(found.id)
    return "removed" if existing else "not installed"


def _write(text: str, target: Path) -> int:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"sixstack: {target} cannot be written: {error.strerror}", file=sys.stderr)
        return USAGE
    print(f"automations written to {target}; to create them: {prefect()} automation create --from-file {target}")
    return SUCCESS
