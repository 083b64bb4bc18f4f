"""Step check-preflight: kubeadm's own preflight checks on every new host, before kubeadm init or join changes one of them.

The checks that need a token or an API server are made by kubeadm join itself: see join_check_configuration().
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cluster.kubeadm.preflight import Refusal, refusal_problems, refusals
from cluster.plan.create import CHECK_PREFLIGHT
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.errors import CannotApply, SixstackError
from runs.attempts import record_step, step
from runs.context import ClusterContext
from runs.sessions import locked_session
from templates import render

KUBEADM_LIMIT = timedelta(seconds=40)  # it needs less than one (measured)
REFUSED = 3  # exit code of the script when kubeadm refuses the host
LIMIT = timedelta(minutes=1)
_AT_ONCE = 32


class PreflightRefused(CannotApply):
    """kubeadm refuses hosts. They are prepared, and neither initialized nor joined."""

    headline = "kubeadm refuses hosts; none was initialized, and none joined"


@dataclass(frozen=True, slots=True)
class _Result:
    """What kubeadm says about one host."""

    output: str
    refused: tuple[Refusal, ...] = ()
    checked: bool = False


@step(CHECK_PREFLIGHT)
def check_preflight(planned: PlannedStep, run: ClusterContext) -> None:
    """PreflightRefused lists what kubeadm refuses on all hosts. A host that cannot be checked holds no other host back: its own steps fail."""
    hosts: Mapping[str, Mapping[str, Any]] = planned.values["hosts"]
    with record_step(planned, run) as attempt:
        with ThreadPoolExecutor(min(_AT_ONCE, len(hosts)), thread_name_prefix="preflight") as pool:
            results = dict(zip(hosts, pool.map(lambda name: _check(run, name, hosts[name]), hosts), strict=True))
        attempt.output = "\n".join(f"{name}: {result.output}" for name, result in results.items())
        if problems := [problem for name, result in results.items() for problem in refusal_problems(name, result.refused)]:
            raise PreflightRefused(problems)
        checked = [name for name, result in results.items() if result.checked]
        others = [f"{name} was not checked" for name, result in results.items() if not result.checked]
        attempt.found = "; ".join([*(f"kubeadm accepts {', '.join(names)}" for names in [checked] if names), *others])


def _check(run: ClusterContext, name: str, values: Mapping[str, Any]) -> _Result:
    """Ask kubeadm on a host. The limit of kubeadm ends before that of the connection, so that its output is kept."""
    script = render("host/check-preflight.sh.j2", **values, seconds=KUBEADM_LIMIT // timedelta(seconds=1))
    try:
        done = locked_session(run.host(name), run).run(script, limit=LIMIT)
    except SixstackError as error:
        return _Result(str(error))
    if done.exit_code == REFUSED:
        return _Result(done.stdout, refusals(without_control(done.stdout)))
    return _Result(done.stdout + done.stderr, checked=done.ok)
