"""Whether the hosts of a cluster file may be freed for a retest: they are test hosts, and no other tool uses them."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.facts.host_facts import HostFacts
from cluster.rules.inspected import Inspected
from cluster.rules.names import may_name_a_cluster
from cluster.rules.on_facts import conflicts  # noqa: F401 registers its rules
from cluster.rules.registry import run_rules
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec

# problems of freeing hosts; docs/reference/problems.md lists them
NOT_FREED = {
    "no-test-hosts": "A cluster is to be retested, but its file does not have `test_hosts: true`.",
    "test-host-not-marked": "A machine is to be used for a retest, but does not have the marker of `sixstack mark-test-hosts`.",
    "owner-not-a-cluster": "The file /var/lib/sixstack/owner of a machine has a text that is not the name of a cluster.",
}
# rules that refuse a host of another tool
_ANOTHER_TOOL = ("host-has-another-cluster", "foreign-runtime", "leftovers")


def test_host_problems(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[Problem, ...]:
    """Why hosts may not be freed. A host that belongs to a sixstack cluster, this one or another, may be."""
    problems = []
    if not spec.test_hosts:
        hint = "Write `test_hosts: true` into the cluster file if nobody needs what is on its machines, and save it."
        problems.append(Problem("no-test-hosts", "test_hosts", f"the machines of {spec.name} are not test hosts", hint))
    for host in spec.hosts:
        if host.name in facts and not facts[host.name].test_host:
            hint = f"If nobody needs what is on {host.name}, mark the machine: sixstack mark-test-hosts {spec.name}"
            problems.append(
                Problem("test-host-not-marked", f"hosts/{host.name}", f"/etc/sixstack/test-host does not exist on {host.name}", hint)
            )
    for name, found in facts.items():
        if found.owner is not None and not may_name_a_cluster(found.owner):
            # the text would become a folder of the audit store, and the name of a block and of a slot
            hint = f"Remove what that cluster left on {name}, then /var/lib/sixstack/owner."
            problems.append(Problem("owner-not-a-cluster", f"hosts/{name}", f"{quoted(found.owner)} is not the name of a cluster", hint))
    unowned = {name: found for name, found in facts.items() if found.owner is None}
    return (*problems, *run_rules(_ANOTHER_TOOL, Inspected(spec, unowned, bundle_architecture="", bundle_size=0)))
