"""The summary of a run as Markdown, for the Prefect UI: its result, durations, the other pages of the run, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.plan.steps_page import StepTime, elapsed, shown_seconds
from cluster.vocabulary.markdown import escape, table
from cluster.vocabulary.records import shown_outcome

_LONGEST = 8  # steps in the table of durations
_USE = ("sixstack kubectl {} -- get nodes -o wide", "sixstack kubeconfig {}", "sixstack verify {}")
# name of the flow -> commands for the cluster after a good run
_NEXT: Mapping[str, tuple[str, ...]] = {
    "create-cluster": _USE,
    "upgrade-cluster": _USE[:1] + _USE[2:],
    "restore-cluster": _USE[:1] + _USE[2:],
    "remove-workers": _USE[:1],
    "renew-certificates": ("sixstack certificates {}",),
    "backup-cluster": ("sixstack backups {}",),
}


def next_commands(flow: str, cluster: str, *, succeeded: bool) -> tuple[str, ...]:
    """What a person does after a run; after a failed one, the audit records say what every step did."""
    return tuple(command.format(cluster) for command in (_NEXT.get(flow, ()) if succeeded else ("sixstack audit {}",)))


def summary_page(text: str, steps: Sequence[StepTime], links: Mapping[str, str], commands: Sequence[str]) -> str:
    """`text`: the result, its list as it is. `links`: the addresses of the run's other pages by their keys; "" for one without an address."""
    parts = [text]
    if links:
        parts.append("Pages of this run: " + ", ".join(f"[{key}]({address})" if address else f"`{key}`" for key, address in links.items()))
    if commands:
        parts.append("\n".join(["Next:", "", "```", *commands, "```"]))
    if steps:
        longest = sorted(steps, key=lambda step: step.seconds, reverse=True)[:_LONGEST]
        rows = [(escape(s.step), escape(s.host), shown_seconds(s.seconds), shown_outcome(s.step, s.outcome)) for s in longest]
        parts += [
            f"{len(steps)} step{'s' if len(steps) > 1 else ''} took {shown_seconds(elapsed(steps))}. The longest:",
            table(("step", "host", "duration", "outcome"), rows),
        ]
    return "\n\n".join(parts)
