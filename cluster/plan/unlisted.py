"""Hosts of a cluster that its file does not list. A delete with an older file would reset some hosts and leave the others without an API server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.facts.host_facts import HostFacts
from cluster.plan.remove import Members
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.remembered_hosts import decode_endpoint
from cluster.vocabulary.spec import ClusterSpec

# problems of a delete; docs/reference/problems.md lists them
NOT_DELETED = {
    "unlisted-host": "A node of the cluster, or a host that the cluster remembers, is not in the file of a delete and was not left out.",
    "not-left-out": "A name in `leave_out` is that of a host of the file, or of no host that the cluster knows.",
}


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A host that the cluster knows and the file does not list."""

    name: str
    found: str  # the node and the SSH endpoint as text


def unlisted_hosts(spec: ClusterSpec, members: Members) -> tuple[Unlisted, ...]:
    """Nodes and remembered hosts without an entry in the file. A host that was removed as dead was left out then, and is not listed."""
    listed = {host.name for host in spec.hosts}
    names = {*(node.name for node in members.nodes), *members.endpoints} - listed - members.denied
    return tuple(Unlisted(name, _found(name, members)) for name in sorted(names))


def has_api(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> bool:
    """Whether a control plane of the file has the API server of this cluster: that of another cluster has other nodes."""
    with_api = (facts[host.name] for host in spec.control_planes if host.name in facts)
    return any(found.owner == spec.name and not found.foreign_authority and found.kubernetes.admin_config for found in with_api)


def unlisted_problems(spec: ClusterSpec, unlisted: Sequence[Unlisted] | None, leave_out: Any) -> Iterator[Problem]:
    """A problem for each unlisted host that was not left out on purpose. `unlisted`: None when no API server answered. `leave_out` may have any type."""
    if not isinstance(leave_out, list | tuple) or not all(isinstance(name, str) for name in leave_out):
        yield Problem("wrong-type", "leave_out", f"expected names of hosts, got {quoted(leave_out)}", "write a list of names")
        return
    for host in unlisted or ():
        if host.name not in leave_out:
            yield Problem(
                "unlisted-host",
                f"hosts/{host.name}",
                f"{host.name} belongs to cluster {spec.name} and is not in the file: {host.found}",
                f"Add it to the file, or first remove it: `sixstack remove {spec.name} {host.name}`. To leave its machine as it is: `--leave-out {host.name}`.",
            )
    known = [host.name for host in unlisted or ()]
    for name in leave_out:
        if name in {host.name for host in spec.hosts}:
            yield Problem("not-left-out", "leave_out", f"{name} is in the file", f"remove {name} from the file, or from `leave_out`")
        elif unlisted is not None and name not in known:
            near = nearest_name(name, known)
            hint = f"did you mean `{near}`?" if near else "remove the name from `leave_out`"
            yield Problem("not-left-out", "leave_out", f"cluster {spec.name} has no host {quoted(name)} outside the file", hint)


def unlisted_notes(unlisted: Sequence[Unlisted] | None) -> Iterator[str]:
    """What a delete leaves."""
    if unlisted is None:
        yield "no API server of the cluster answered: nodes that the file does not list are unknown, and keep what they have"
    for host in unlisted or ():
        yield f"{host.name} was left out: its machine keeps kubelet, the containers of its pods and the files of sixstack ({host.found})"


def _found(name: str, members: Members) -> str:
    node, endpoint = members.node(name), decode_endpoint(members.endpoints.get(name, ""))
    addresses = ", ".join(map(str, node.addresses)) if node is not None else ""
    state = (
        "its Node was deleted" if node is None else f"node {'Ready' if node.ready else 'not Ready'}{f', {addresses}' if addresses else ''}"
    )
    return state if endpoint is None else f"{state}; SSH {endpoint.user}@{join_host_port(endpoint.address, endpoint.port)}"
