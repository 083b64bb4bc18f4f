"""Looking at all hosts side by side, and every host that cannot be looked at named at once."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.errors import ClusterError
from cluster.facts import HostFacts
from cluster.spec import Host
from flows.outcome import fates
from tasks.attempt import Where
from tasks.inspect_host import Inspection, inspect_host


def inspect(hosts: Sequence[Host], where: Where) -> dict[str, HostFacts]:
    """The facts of every host by name; ClusterError naming each host that could not be inspected: nothing has been changed."""
    found = fates({host.name: inspect_host.submit(host, where) for host in hosts})
    if unseen := [fate.why_not for fate in found.values() if fate.why_not]:
        raise ClusterError(
            "\n".join([f"{len(unseen)} of {len(hosts)} hosts cannot be inspected; nothing was changed on any host:", *unseen])
        )
    return {name: fate.record.facts for name, fate in found.items() if isinstance(fate.record, Inspection) and fate.record.facts}
