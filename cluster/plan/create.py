"""The plan of create-cluster: which steps run, in which order, and what each one waits for.

An empty plan means that the cluster matches its spec. A step is left out only because facts or the API show that it is done
(cluster/plan/reasons.py), never because it ran before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.plan import reasons
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.notes import notes
from cluster.plan.values import HostFiles, init_values, join_values, label_values, prepare_values
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Host
from cluster.vocabulary.topology import Topology, topology

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


Ids = tuple[str, ...]  # what a later step waits for; empty when no step is needed


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

    A host without facts gets no steps of its own. `state`: what the API server reports; None when none answered. `network`: digest of the pod
    network's documents. `kubeconfig_saved`: a kubeconfig of this very cluster is saved. `verify`: check the network at the end.
    """
    roles = topology(spec)
    create = _Create(spec, roles, facts, wanted, state or ClusterState(), answered=state is not None, plan=PlanBuilder(spec.name))
    # The order of everything. Each method says what its steps wait for; steps that wait for nothing in common run at the same time.
    create.prepare_hosts()
    create.load_bundles()
    create.init_control_plane()
    create.install_network(network)
    create.publish_kubeconfig(saved=kubeconfig_saved)
    create.join_workers()
    create.label_nodes()
    create.wait_for_nodes()
    create.wait_for_dns()
    if verify:
        create.verify_network()
    return create.plan.plan(notes(spec, facts, create.state))


@dataclass
class _Create:
    """The plan under construction, and the ids of earlier steps that later steps wait for."""

    spec: ResolvedSpec
    roles: Topology
    facts: Mapping[str, HostFacts]
    wanted: Mapping[str, HostFiles]
    state: ClusterState
    answered: bool  # an API server answered
    plan: PlanBuilder
    prepared: dict[str, Ids] = field(default_factory=dict)  # by host
    loaded: dict[str, Ids] = field(default_factory=dict)  # by host
    initialized: Ids = ()
    network_applied: Ids = ()
    cluster_wide: list[str] = field(default_factory=list)  # steps that the network check needs

    @property
    def api(self) -> Ids:
        """What must have succeeded before the API server can be asked to change anything."""
        return self.initialized or self.prepared[self.roles.seed.name]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The seed first: everything waits for its kubeadm init."""
        return (self.roles.seed, *self.roles.joining, *self.roles.workers)

    def prepare_hosts(self) -> None:
        """The seed's files go over the wire before those of the other hosts. A seed that fails keeps no other host from being prepared."""
        for host in self.hosts:
            wanted = self.wanted.get(host.name, HostFiles())
            values = prepare_values(self.spec, host, wanted.images)
            reason = reasons.to_prepare(self.facts.get(host.name), wanted, values["digest"])
            after = self.prepared.get(self.roles.seed.name, ())
            self.prepared[host.name] = self.plan.add(PREPARE_HOST, host.name, reason=reason, values=values, after=after)

    def load_bundles(self) -> None:
        """What the role of a host needs beyond its preparation. The seed's remaining images load while kubeadm init runs."""
        for host in self.hosts:
            reason = "the programs and images of its role follow its preparation" if self.prepared[host.name] else None
            self.loaded[host.name] = self.plan.add(LOAD_BUNDLE, host.name, reason=reason, needs=self.prepared[host.name])

    def init_control_plane(self) -> None:
        """On the seed."""
        seed = self.roles.seed.name
        reason = reasons.to_init(self.facts.get(seed), INIT_CONTROL_PLANE)
        values, needs = init_values(self.spec), self.prepared[seed]
        self.initialized = self.plan.add(INIT_CONTROL_PLANE, seed, reason=reason, values=values, needs=needs)

    def install_network(self, digest: str | None) -> None:
        """The pod network's images are on the seed before its pods start. A network without controllers needs no wait of its own on a new
        cluster: a node is Ready by it alone."""
        reason = reasons.to_install_network(self.spec, self.state, digest)
        needs = [*self.api, *self.loaded[self.roles.seed.name]]
        self.network_applied = self.plan.add(INSTALL_CNI, reason=reason, needs=needs)
        awaited = self.network_applied and not (self.initialized and pod_network(self.spec).ready_with_nodes)
        ready = self.plan.add(WAIT_NETWORK, reason="the pod network was applied" if awaited else None, needs=self.network_applied)
        self.cluster_wide += [*self.network_applied, *ready]

    def publish_kubeconfig(self, *, saved: bool) -> None:
        """As soon as there are keys."""
        reason = reasons.to_publish(bool(self.initialized), saved=saved)
        self.cluster_wide += self.plan.add(PUBLISH_KUBECONFIG, reason=reason, needs=self.api)

    def join_workers(self) -> None:
        """A worker's join waits for its own programs and images, and for the API server. No worker waits for another one."""
        seed = self.facts.get(self.roles.seed.name)
        for host in self.roles.workers:
            node = self.state.node(host.name)
            reason, recreate = reasons.to_join(self.facts.get(host.name), seed, node, JOIN_WORKER, answered=self.answered)
            values, needs = join_values(self.spec, host, recreate=recreate), [*self.loaded[host.name], *self.api]
            self.plan.add(JOIN_WORKER, host.name, reason=reason, values=values, needs=needs)

    def label_nodes(self) -> None:
        """Once the host has a Node object."""
        for host in self.spec.hosts:
            values = label_values(self.spec, host)
            reason = reasons.to_label(values, self.state.node(host.name))
            self.plan.add(LABEL_NODE, host.name, reason=reason, values=values, needs=self._member(host))

    def wait_for_nodes(self) -> None:
        """A node becomes Ready when the pod network runs on it."""
        for host in self.spec.hosts:
            reason = reasons.to_await_node(self.spec, self.state, host.name)
            needs = [*self._member(host), *(self.network_applied or self.api)]
            self.plan.add(WAIT_READY, host.name, reason=reason, needs=needs)

    def wait_for_dns(self) -> None:
        """CoreDNS runs on any node, so this waits for no particular host."""
        changed = bool({INIT_CONTROL_PLANE, INSTALL_CNI, JOIN_WORKER} & self.plan.kinds)
        reason = reasons.to_await_dns(self.spec, self.state, changed=changed)
        self.cluster_wide += self.plan.add(WAIT_DNS, reason=reason, needs=self.network_applied or self.api)

    def verify_network(self) -> None:
        """The check covers the hosts that joined, whatever happened to the others."""
        reason = reasons.to_verify(self.spec, changed=bool(self.plan.kinds - {LABEL_NODE, PUBLISH_KUBECONFIG}))
        names = [host.name for host in self.spec.hosts]
        last = [step for name in names for step in self.plan.last(name)]
        self.plan.add(VERIFY_NETWORK, reason=reason, values={"nodes": names}, needs=self.cluster_wide, after=last)

    def _member(self, host: Host) -> Ids:
        """What makes a host a member that the API server knows: its last step so far; without a step, only the API must answer."""
        return self.plan.last(host.name) or self.api
