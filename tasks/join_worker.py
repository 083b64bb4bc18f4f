"""Step join-worker: kubeadm join with a token of its own that lives for minutes and is deleted afterwards.

At most JOINS_AT_ONCE hosts join at the same time. 300 simultaneous joins fail, because kubeadm waits only 10 s for each answer of an API server that
checks the tokens of all of them (kubeadm#3181). A host that waits for its turn delays no other host, so this is no edge of the plan.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from cluster.facts.parsers.kubernetes import ca_hash
from cluster.kubeadm.documents import join_configuration
from cluster.plan.create import JOIN_WORKER
from cluster.plan.graph import PlannedStep
from hosts.session import Shell
from kube.bootstrap_token import bootstrap_token
from kube.client import KubeApi
from kube.denied_nodes import admit_node, is_denied
from kube.nodes import expect_rejoin
from runs.attempts import Attempt, record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext
from runs.scripts import SHORT_LIMIT, run_detached_script, run_script
from runs.sessions import locked_session
from templates import render

LIMIT = timedelta(minutes=8)
JOINS_AT_ONCE = 20

_turns = threading.BoundedSemaphore(JOINS_AT_ONCE)  # of this process, and a run is one process


@contextmanager
def turn_to_join() -> Iterator[None]:
    """Wait until fewer than JOINS_AT_ONCE hosts join; the host joins during the `with` block."""
    with _turns:
        yield


@step(JOIN_WORKER, "planned.subject")
def join_worker(planned: PlannedStep, run: ClusterContext) -> None:
    """Make the host a worker; the token goes to it in a file of mode 0600, never on a command line or into a record."""
    with record_step(planned, run) as attempt:
        host = run.host(planned.subject)
        session, api = locked_session(host, run), cluster_api(run)
        if is_denied(api, host.name):
            _admit(attempt, session, api, planned, run)
        expect_rejoin(api, host.name)
        with turn_to_join(), bootstrap_token(api, host.name) as token:
            attempt.secrets.add(token)
            document = join_configuration(run.spec, host, token=token, ca_hash=ca_hash(api.config.authority) or "")
            inputs = {"join.yaml": render("kubeadm/join.yaml.j2", document=document).encode()}
            run_detached_script(attempt, session, run.cluster, "host/join.sh.j2", planned.values, LIMIT, inputs)
        attempt.change("joined")


def _admit(attempt: Attempt, session: Shell, api: KubeApi, planned: PlannedStep, run: ClusterContext) -> None:
    """Admit a node that was removed as dead. Its old kubelet must not run any more: it would register the node at once, with its old certificate."""
    run_script(attempt, session, "host/stop-kubelet.sh.j2", {"cluster": run.cluster}, SHORT_LIMIT)
    admit_node(api, planned.subject)
    attempt.change("the node is admitted again")
