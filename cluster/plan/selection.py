"""A run of create-cluster that is limited to some hosts: one control plane and the named hosts are inspected, and no other host.

The number of connections and requests then depends on the named hosts alone, not on the size of the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cluster.facts.cluster_state import NodeState
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.families import family_of
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, Host
from cluster.vocabulary.topology import topology

# problems of a limited run; docs/reference/problems.md lists them
NOT_LIMITED = {
    "unknown-host": "A run is limited to a host that the file does not list.",
    "no-cluster-to-extend": "A run is limited to some hosts, and the API server of the cluster does not answer.",
}


class NotSelected(SpecError):
    """A run cannot be limited to these hosts."""

    headline = "the run cannot be limited to these hosts; no host was inspected"


def select_hosts(spec: ClusterSpec, only: Any) -> tuple[Host, ...]:
    """The hosts that a run inspects, in file order: all, or the first control plane and those named in `only`. NotSelected lists all problems."""
    if not isinstance(only, list | tuple) or not all(isinstance(name, str) for name in only):
        problem = Problem("wrong-type", "only", f"expected a list of names, got {quoted(only)}", "write the names of hosts of the file")
        raise NotSelected([problem])
    if not only:
        return spec.hosts
    names = [host.name for host in spec.hosts]
    if unknown := [name for name in dict.fromkeys(only) if name not in names]:
        raise NotSelected([_unknown(name, names) for name in unknown])
    return tuple(host for host in spec.hosts if host.name in only or host == topology(spec).seed)


def left_out(spec: ClusterSpec, selected: Iterable[Host]) -> tuple[str, ...]:
    """The names of the other hosts."""
    names = {host.name for host in selected}
    return tuple(host.name for host in spec.hosts if host.name not in names)


def known_part(spec: ClusterSpec, absent: Sequence[str], nodes: Sequence[NodeState]) -> ClusterSpec:
    """The spec in which the hosts that are left out have their addresses from the file or from their Nodes. A host with neither is not in it."""
    by_node: Mapping[str, NodeState] = {node.name: node for node in nodes}

    def known(host: Host) -> Host | None:
        if host.name not in absent or host.addresses:
            return host
        node = by_node.get(host.name)
        if node is None or tuple(map(family_of, node.addresses)) != spec.families:
            return None
        return host.model_copy(update={"addresses": node.addresses})

    return spec.model_copy(update={"hosts": tuple(host for found in spec.hosts if (host := known(found)) is not None)})


def no_cluster_to_extend(spec: ClusterSpec) -> Problem:
    """Without an API server, nothing is known of the hosts that are left out."""
    seed = topology(spec).seed.name
    return Problem(
        "no-cluster-to-extend",
        f"hosts/{seed}",
        f"the API server on {seed} does not answer, so nothing is known of the hosts that are not inspected",
        "run without `only`, which inspects all hosts",
    )


def _unknown(name: str, names: Sequence[str]) -> Problem:
    near = nearest_name(name, names)
    hint = f"did you mean `{near}`?" if near else "write the name of a host of the file"
    return Problem("unknown-host", "only", f"the file has no host {quoted(name)}", hint)
