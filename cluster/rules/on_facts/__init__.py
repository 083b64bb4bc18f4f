"""All rules that need facts of hosts. Their paths are hosts/NAME/SUBJECT."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.facts.host_facts import HostFacts
from cluster.facts.host_paths import Connectivity
from cluster.rules.inspected import Inspected
from cluster.rules.on_facts import (  # noqa: F401 each registers its rules
    addresses,
    boot,
    clocks,
    conflicts,
    firewall,
    host_networks,
    host_paths,
    identity,
    kernel,
    limits,
    link_managers,
    machine,
    name_servers,
    ports,
)
from cluster.rules.registry import run_fact_rules
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec


def check_facts(
    spec: ClusterSpec,
    facts: Mapping[str, HostFacts],
    *,
    bundle_architecture: str,
    bundle_size: int,
    connectivity: Connectivity | None = None,
) -> tuple[Problem, ...]:
    """Every problem of every host, in the order of the hosts. `bundle_size` is in bytes. Files that this cluster left on a host are no problem.

    `connectivity`: the result of testing the paths between the hosts (`paths_to_probe`).
    """
    order = [f"hosts/{host.name}/" for host in spec.hosts]

    def host_index(problem: Problem) -> int:
        return next((at for at, prefix in enumerate(order) if problem.path.startswith(prefix)), len(order))

    return tuple(
        sorted(run_fact_rules(Inspected(spec, facts, bundle_architecture, bundle_size, connectivity or Connectivity())), key=host_index)
    )
