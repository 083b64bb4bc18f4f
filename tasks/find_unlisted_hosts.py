"""Step find-unlisted-hosts: the nodes and remembered hosts of a cluster that its file does not list."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.facts.host_facts import HostFacts
from cluster.plan.remove import Members
from cluster.plan.unlisted import Unlisted, has_api, unlisted_hosts
from cluster.vocabulary.errors import SixstackError
from kube.denied_nodes import denied_nodes
from kube.remembered_hosts import remembered_hosts
from kube.state import read_nodes
from runs.attempts import record_attempt, step
from runs.cluster_api import cluster_api
from runs.context import SpecContext


@step("find-unlisted-hosts", retries=0)
def find_unlisted_hosts(facts: Mapping[str, HostFacts], run: SpecContext) -> tuple[Unlisted, ...] | None:
    """None when no API server of this cluster answers: a broken cluster can be deleted too."""
    with record_attempt("find-unlisted-hosts", "cluster", run) as attempt:
        if not has_api(run.spec, facts):
            attempt.found = "no control plane of the file has an API server of the cluster"
            return None
        try:
            api = cluster_api(run)
            unlisted = unlisted_hosts(run.spec, Members(read_nodes(api), remembered_hosts(api), denied_nodes(api)))
        except SixstackError as error:
            attempt.found = f"the API server does not answer: {error}"
            return None
        attempt.found = f"not in the file: {', '.join(host.name for host in unlisted) or 'no host'}"
        return unlisted
