"""Step inspect-settings: what only inspect-cluster compares of one host: installed files by content, the kubelet's settings; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.facts.node_settings import NodeSettings
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import Host
from hosts.facts import gather_node_settings
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.sessions import session
from tasks.inspect_host import inspected


class SettingsInspection(StepRecord):
    """The record of an inspection, with the settings."""

    settings: NodeSettings | None = None


@step("inspect-settings", "host.name")
def inspect_host_settings(host: Host, run: RunContext) -> NodeSettings:
    """Read the settings of one host."""
    with record_attempt("inspect-settings", host.name, run, SettingsInspection) as attempt:
        settings = gather_node_settings(session(host, run), host)
        attempt.extra["settings"] = settings
        attempt.found = f"{len(settings.changed_files)} installed files have other content"
    return settings


def inspect_settings(hosts: Sequence[Host], run: RunContext) -> tuple[dict[str, NodeSettings], tuple[Problem, ...]]:
    """The settings of every host that could be inspected, and a problem for each host that could not. All hosts at the same time."""
    return inspected({host.name: inspect_host_settings.submit(host, run) for host in hosts})
