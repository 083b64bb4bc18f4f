"""The plan of create-cluster: which steps run, in which order, and what each one waits for.

An empty plan means that the cluster matches its spec. A step is left out only because facts or the API show that it is done
(cluster/plan/reasons.py), never because it ran before.
"""

from __future__ import annotations

from collections.abc import Mapping

from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.plan import reasons
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.notes import notes
from cluster.plan.values import HostFiles, init_values, join_values, label_values, prepare_values
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.topology import topology

PREPARE_HOST = "prepare-host"
LOAD_BUNDLE = "load-bundle"
INIT_CONTROL_PLANE = "init-control-plane"
INSTALL_CNI = "install-cni"
WAIT_NETWORK = "wait-network"
PUBLISH_KUBECONFIG = "publish-kubeconfig"
JOIN_WORKER = "join-worker"
LABEL_NODE = "label-node"
WAIT_READY = "wait-ready"
WAIT_DNS = "wait-dns"
VERIFY_NETWORK = "verify-network"


def plan_create(
    spec: ResolvedSpec,
    facts: Mapping[str, HostFacts],
    wanted: Mapping[str, HostFiles],
    state: ClusterState | None,
    *,
    network: str | None = None,
    kubeconfig_saved: bool = True,
    verify: bool = True,
) -> Plan:
    """The steps from facts and state to spec.

    A host without facts gets no steps of its own. `state`: what the API server says; None when none answered. `network`: digest of the pod
    network's documents. `kubeconfig_saved`: a kubeconfig of this very cluster is saved. `verify`: check the network at the end.
    """
    roles = topology(spec)
    seed, others = roles.seed, (*roles.joining, *roles.workers)
    known = state or ClusterState()
    plan = PlanBuilder(spec.name)

    # Everything waits for the seed's kubeadm init, so the seed's files go over the wire first. A seed that fails delays nobody else.
    prepared: dict[str, tuple[str, ...]] = {}
    for host in (seed, *others):
        values = prepare_values(spec, host, wanted.get(host.name, HostFiles()).images)
        reason = reasons.to_prepare(facts.get(host.name), wanted.get(host.name, HostFiles()), values["digest"])
        first = prepared.get(seed.name, ())
        prepared[host.name] = plan.add(PREPARE_HOST, host.name, reason=reason, values=values, after=first)

    # The seed's remaining images load while kubeadm init runs.
    loaded: dict[str, tuple[str, ...]] = {}
    for host in (seed, *others):
        reason = "the programs and images of its role follow its preparation" if prepared[host.name] else None
        loaded[host.name] = plan.add(LOAD_BUNDLE, host.name, reason=reason, needs=prepared[host.name])

    reason = reasons.to_init(facts.get(seed.name), INIT_CONTROL_PLANE)
    initialized = plan.add(INIT_CONTROL_PLANE, seed.name, reason=reason, values=init_values(spec), needs=prepared[seed.name])
    api = initialized or prepared[seed.name]

    network_applied = plan.add(INSTALL_CNI, reason=reasons.to_install_network(spec, known, network), needs=[*api, *loaded[seed.name]])
    # On a new cluster, wait-ready sees all of a network without controllers: a node is Ready by it alone.
    awaited = network_applied and not (initialized and pod_network(spec).ready_with_nodes)
    network_ready = plan.add(WAIT_NETWORK, reason="the pod network was applied" if awaited else None, needs=network_applied)

    published = plan.add(PUBLISH_KUBECONFIG, reason=reasons.to_publish(bool(initialized), saved=kubeconfig_saved), needs=api)

    for host in roles.workers:
        reason, recreate = reasons.to_join(
            facts.get(host.name), facts.get(seed.name), known.node(host.name), JOIN_WORKER, answered=state is not None
        )
        values = join_values(spec, host, recreate=recreate)
        plan.add(JOIN_WORKER, host.name, reason=reason, values=values, needs=[*loaded[host.name], *api])

    for host in spec.hosts:
        values = label_values(spec, host)
        reason = reasons.to_label(values, known.node(host.name))
        plan.add(LABEL_NODE, host.name, reason=reason, values=values, needs=_member(plan, host.name, api))

    # Packets of pods can flow from here on: nodes become Ready.
    network_path = network_applied or api
    changed = bool({INIT_CONTROL_PLANE, INSTALL_CNI, JOIN_WORKER} & plan.kinds)
    for host in spec.hosts:
        reason = reasons.to_await_node(spec, known, host.name)
        plan.add(WAIT_READY, host.name, reason=reason, needs=[*_member(plan, host.name, api), *network_path])
    dns_ready = plan.add(WAIT_DNS, reason=reasons.to_await_dns(spec, known, changed=changed), needs=network_path)

    # The check covers the hosts that joined, whatever happened to the others.
    moved = bool(plan.kinds - {LABEL_NODE, PUBLISH_KUBECONFIG})
    plan.add(
        VERIFY_NETWORK,
        reason=reasons.to_verify(spec, changed=moved) if verify else None,
        values={"nodes": [host.name for host in spec.hosts]},
        needs=[*network_applied, *network_ready, *published, *dns_ready],
        after=[each for host in spec.hosts for each in plan.last(host.name)],
    )
    return plan.plan(notes(spec, facts, known))


def _member(plan: PlanBuilder, host: str, api: tuple[str, ...]) -> tuple[str, ...]:
    """What makes a host a member that the API server knows: its last step so far; without one, only the API must answer."""
    return plan.last(host) or api
