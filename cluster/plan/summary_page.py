"""The summary of a run as Markdown, for the Prefect UI: its result, durations, the other pages of the run, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.plan.steps_page import StepTime, elapsed, shown_seconds
from cluster.vocabulary.markdown import escape, table
from cluster.vocabulary.records import shown_outcome
from cluster.vocabulary.ui_links import artifact_link

_LONGEST = 8  # steps in the table of durations
_NODES = "sixstack kubectl {} -- get nodes -o wide"


@dataclass(frozen=True, slots=True)
class Next:
    """What a person does after a run: with deployments in the UI, with commands, or with either."""

    deployments: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


_VERIFY = Next(("verify-cluster",), (_NODES, "sixstack verify {}"))
# name of the flow -> after a good run
_NEXT: Mapping[str, Next] = {
    "save-cluster": Next(("test-connection", "create-cluster"), ("sixstack plan {}", "sixstack create {}")),
    "test-connection": Next(("create-cluster",), ("sixstack create {}",)),
    "create-cluster": Next(("verify-cluster",), (_NODES, "sixstack kubeconfig {}", "sixstack verify {}")),
    "upgrade-cluster": _VERIFY,
    "restore-cluster": _VERIFY,
    "remove-workers": Next((), (_NODES,)),
    "renew-certificates": Next(("check-certificates",), ("sixstack certificates {}",)),
    "backup-cluster": Next((), ("sixstack backups {}",)),
}


def next_steps(flow: str, cluster: str, *, succeeded: bool) -> str:
    """What to do after a run, as Markdown; "" for nothing. After a failed one, the audit records say what every step did."""
    if not succeeded:
        fix = f"Next: fix what the page `{cluster}-problems` lists, and run the deployment again. The complete output of every step:"
        return f"{fix}\n\n{_block(['sixstack audit {}'], cluster)}"
    follows, parts = _NEXT.get(flow, Next()), []
    if follows.deployments:
        names = " or ".join(f"`{name}`" for name in follows.deployments)
        parts.append(f"Next, in the UI: Deployments, {names}, with `{cluster}` as `cluster`.")
    if follows.commands:
        parts += ["On the command line:", _block(follows.commands, cluster)]
    return "\n\n".join(parts)


def _block(commands: Sequence[str], cluster: str) -> str:
    return "\n".join(["```", *(command.format(cluster) for command in commands), "```"])


def summary_page(text: str, steps: Sequence[StepTime], pages: Mapping[str, str], follows: str) -> str:
    """`text`: the result, its list as it is. `pages`: the ids of the run's other pages by their keys. `follows`: what to do next."""
    parts = [text]
    if pages:
        parts.append("Pages of this run: " + ", ".join(f"[{key}]({artifact_link(identity)})" for key, identity in pages.items()))
    if follows:
        parts.append(follows)
    if steps:
        longest = sorted(steps, key=lambda step: step.seconds, reverse=True)[:_LONGEST]
        rows = [(escape(s.step), escape(s.host), shown_seconds(s.seconds), shown_outcome(s.step, s.outcome)) for s in longest]
        parts += [
            f"{len(steps)} step{'s' if len(steps) > 1 else ''} took {shown_seconds(elapsed(steps))}. The longest:",
            table(("step", "host", "duration", "outcome"), rows),
        ]
    return "\n\n".join(parts)
