"""Inspects hosts from the command, without a flow run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from cli.first_uses import print_first_uses

if TYPE_CHECKING:
    from cluster.vocabulary.errors import SixstackError
    from cluster.vocabulary.problems import Problem
    from cluster.vocabulary.spec import Host
    from hosts.session import Session
    from runs.context import RunContext

Found = TypeVar("Found")


def inspect(
    hosts: Sequence[Host], run: RunContext, gather: Callable[[Session, Host], Found]
) -> tuple[dict[str, Found], tuple[Problem, ...]]:
    """What `gather` finds on each host, in parallel, and a problem for each host that could not be inspected. The sessions of `run` are open."""
    from cluster.vocabulary.errors import EnvironmentFault, SixstackError
    from runs.sessions import session
    from tasks.inspect_host import inspection_problem

    def inspected(host: Host) -> Found | SixstackError:
        try:
            opened = session(host, run)
            print_first_uses(opened)
            return gather(opened, host)
        except EnvironmentFault:
            raise
        except SixstackError as error:
            return error

    with ThreadPoolExecutor(min(8, len(hosts))) as pool:
        results = dict(zip((host.name for host in hosts), pool.map(inspected, hosts), strict=True))
    problems = tuple(inspection_problem(name, result) for name, result in results.items() if isinstance(result, SixstackError))
    return {name: result for name, result in results.items() if not isinstance(result, SixstackError)}, problems
