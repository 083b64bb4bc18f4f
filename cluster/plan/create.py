"""The plan of create-cluster: which steps run, in which order, and what each one waits for.

Each step names the steps in `needs`, which must succeed first, and the steps in `after`, which must have ended, successfully or not.

An empty plan means that the cluster matches its spec. A step is left out only because facts or the API show that it is done
(cluster/plan/reasons.py), never because it ran before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.plan import reasons
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.notes import notes
from cluster.plan.values import HostFiles, init_values, join_values, label_values, preflight_values, prepare_values
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Host
from cluster.vocabulary.topology import Topology, topology

PREPARE_HOST = "prepare-host"
LOAD_BUNDLE = "load-bundle"
CHECK_PREFLIGHT = "check-preflight"
INIT_CONTROL_PLANE = "init-control-plane"
INSTALL_CNI = "install-cni"
WAIT_NETWORK = "wait-network"
PUBLISH_KUBECONFIG = "publish-kubeconfig"
JOIN_WORKER = "join-worker"
LABEL_NODE = "label-node"
WAIT_READY = "wait-ready"
WAIT_DNS = "wait-dns"
VERIFY_NETWORK = "verify-network"


Ids = tuple[str, ...]  # ids of planned steps; empty when a step is not needed, so nothing waits for it


def plan_create(
    spec: ResolvedSpec,
    facts: Mapping[str, HostFacts],
    wanted: Mapping[str, HostFiles],
    state: ClusterState | None,
    *,
    network: str | None = None,
    kubeconfig_saved: bool = True,
    verify: bool = True,
    absent: Sequence[str] = (),
) -> Plan:
    """The steps from facts and state to spec.

    `facts` and `wanted` (bundle files and images) by host; a host without facts is not prepared and does not join. `state`: what the API server reports; None when
    no API server answered. `network`: digest of the pod network's documents; None: it is not compared. `kubeconfig_saved`: a kubeconfig of this
    very cluster is saved. `verify`: check the network at the end. `absent`: names of hosts that were left out on purpose, and get no step.
    """
    builder = PlanBuilder(spec.name)
    create = CreatePlan(spec, topology(spec), facts, wanted, state or ClusterState(), state is not None, builder, absent=absent)
    create.add_steps(network, kubeconfig_saved=kubeconfig_saved, verify=verify)
    return create.builder.build(notes(spec, facts, create.state, absent))


@dataclass
class CreatePlan:
    """The plan under construction, and the ids of the steps that later steps wait for. The plan of a restore has other first steps."""

    spec: ResolvedSpec
    roles: Topology
    facts: Mapping[str, HostFacts]
    wanted: Mapping[str, HostFiles]
    state: ClusterState
    api_answered: bool
    builder: PlanBuilder
    prepare_steps: dict[str, Ids] = field(default_factory=dict)  # by host
    load_steps: dict[str, Ids] = field(default_factory=dict)  # by host
    join_steps: dict[str, Ids] = field(default_factory=dict)  # by worker
    label_steps: dict[str, Ids] = field(default_factory=dict)  # by host
    preflight_step: Ids = ()
    init_step: Ids = ()
    network_step: Ids = ()
    verify_needs: list[str] = field(default_factory=list)
    absent: Sequence[str] = ()

    def add_steps(self, network: str | None, *, kubeconfig_saved: bool, verify: bool) -> None:
        """The whole order. Each method below says what its steps wait for; steps that do not wait for each other run at the same time."""
        self.prepare_hosts()
        self.load_bundles()
        self.check_preflight()
        self.init_control_plane()
        self.install_network(network)
        self.publish_kubeconfig(saved=kubeconfig_saved)
        self.join_workers()
        self.label_nodes()
        self.wait_for_nodes()
        self.wait_for_dns()
        if verify:
            self.verify_network()

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The seed first: everything waits for its kubeadm init. A rule refuses more than one control plane, so `joining` is still empty."""
        return (self.roles.seed, *self.roles.joining, *self.roles.workers)

    @property
    def inspected(self) -> tuple[Host, ...]:
        """The hosts that were not left out, in file order."""
        return tuple(host for host in self.spec.hosts if host.name not in self.absent)

    @property
    def first_steps(self) -> Ids:
        """The steps that must succeed before anything is changed."""
        return ()

    @property
    def creates_cluster(self) -> bool:
        """The cluster's objects are new: no status of an earlier time is in the API."""
        return bool(self.init_step)

    @property
    def api_steps(self) -> Ids:
        """The steps that must succeed before a step uses the API server: init, else the seed's new preparation."""
        return self.init_step or self.prepare_steps[self.roles.seed.name]

    def prepare_hosts(self) -> None:
        """All hosts at the same time, because kubeadm checks every one of them before it initializes the first."""
        for host in self.hosts:
            wanted = self.wanted.get(host.name, HostFiles())
            values = prepare_values(self.spec, host, wanted.images)
            reason = reasons.to_prepare(self.facts.get(host.name), wanted, values)
            self.prepare_steps[host.name] = self.builder.add(PREPARE_HOST, host.name, reason=reason, values=values, needs=self.first_steps)

    def load_bundles(self) -> None:
        """The seed's remaining images load while kubeadm init runs."""
        for host in self.hosts:
            needs = self.prepare_steps[host.name]
            reason = "the host is being prepared: the rest of its programs and images follow" if needs else None
            self.load_steps[host.name] = self.builder.add(LOAD_BUNDLE, host.name, reason=reason, needs=needs)

    def check_preflight(self) -> None:
        """kubeadm's preflight checks on all hosts that are to be initialized or to join. A refusal stops the run before any init or join.

        One step, so that all refusals are reported at once. A host that could not be prepared is not checked, and holds no other host back.
        """
        new = [host for host in self.hosts if reasons.is_new(self.facts.get(host.name))]
        reason = f"kubeadm has not checked {', '.join(host.name for host in new)}" if new else None
        values = {"hosts": {host.name: preflight_values(self.spec, host) for host in new}}
        prepared = [step for host in new for step in self.prepare_steps[host.name]]
        self.preflight_step = self.builder.add(CHECK_PREFLIGHT, reason=reason, values=values, needs=self.first_steps, after=prepared)

    def init_control_plane(self) -> None:
        """kubeadm init needs the seed's own preparation, and that kubeadm refuses no host."""
        seed = self.roles.seed.name
        reason = reasons.to_init(self.facts.get(seed), INIT_CONTROL_PLANE)
        values, needs = init_values(self.spec), (*self.prepare_steps[seed], *self.preflight_step)
        self.init_step = self.builder.add(INIT_CONTROL_PLANE, seed, reason=reason, values=values, needs=needs)

    def install_network(self, digest: str | None) -> None:
        """The images of the pod network are on the seed before its pods start. On a new cluster, no wait-network if a Ready node proves that
        the plug-in runs: wait-ready covers it."""
        reason = reasons.to_install_network(self.spec, self.state, digest)
        needs = [*self.api_steps, *self.load_steps[self.roles.seed.name]]
        self.network_step = self.builder.add(INSTALL_CNI, reason=reason, needs=needs)
        new_cluster = self.creates_cluster
        awaited = bool(self.network_step) and not (new_cluster and pod_network(self.spec).ready_with_nodes)
        wait_step = self.builder.add(WAIT_NETWORK, reason="the pod network was applied" if awaited else None, needs=self.network_step)
        self.verify_needs += [*self.network_step, *wait_step]

    def publish_kubeconfig(self, *, saved: bool) -> None:
        """Right after init, at the same time as everything else. A run without a saved kubeconfig has failed, so the network check needs it too."""
        reason = reasons.to_publish(new_keys=bool(self.init_step), saved=saved)
        self.verify_needs += self.builder.add(PUBLISH_KUBECONFIG, reason=reason, needs=self.api_steps)

    def join_workers(self) -> None:
        """A worker's join waits for the worker's own programs and images, and for the API server; not for another worker's join."""
        seed = self.facts.get(self.roles.seed.name)
        for host in self.roles.workers:
            node = self.state.node(host.name)
            reason, recreate = reasons.to_join(self.facts.get(host.name), seed, node, JOIN_WORKER, api_answered=self.api_answered)
            values, needs = (
                join_values(self.spec, host, recreate=recreate),
                [*self.load_steps[host.name], *self.preflight_step, *self.api_steps],
            )
            self.join_steps[host.name] = self.builder.add(JOIN_WORKER, host.name, reason=reason, values=values, needs=needs)

    def label_nodes(self) -> None:
        """A host has a Node object after its init or join."""
        for host in self.inspected:
            node = self.state.node(host.name)
            values = label_values(self.spec, host, uncordon=node is not None and node.drain_unfinished)
            reason = reasons.to_label(values, node, self.state.endpoints.get(host.name))
            needs = self._steps_until_member(host)
            self.label_steps[host.name] = self.builder.add(LABEL_NODE, host.name, reason=reason, values=values, needs=needs)

    def wait_for_nodes(self) -> None:
        """A node becomes Ready when the pod network runs on it. If label-node fails on a host, its wait-ready does not start."""
        for host in self.inspected:
            reason = reasons.to_await_node(self.spec, self.state, host.name)
            needs = [*(self.label_steps[host.name] or self._steps_until_member(host)), *(self.network_step or self.api_steps)]
            self.builder.add(WAIT_READY, host.name, reason=reason, needs=needs)

    def wait_for_dns(self) -> None:
        """CoreDNS runs on any node, so this waits for no particular host."""
        changed = bool(self.init_step) or bool({INSTALL_CNI, JOIN_WORKER} & self.builder.kinds)
        reason = reasons.to_await_dns(self.spec, self.state, self.inspected, changed=changed)
        self.verify_needs += self.builder.add(WAIT_DNS, reason=reason, needs=self.network_step or self.api_steps)

    def verify_network(self) -> None:
        """The check covers the hosts that joined, whatever happened to the others."""
        reason = reasons.to_verify(self.spec, changed=bool(self.builder.kinds - {LABEL_NODE, PUBLISH_KUBECONFIG}))
        names = [host.name for host in self.inspected]
        last_steps = [step for name in names for step in self.builder.last_step_on(name)]
        self.builder.add(VERIFY_NETWORK, reason=reason, values={"nodes": names}, needs=self.verify_needs, after=last_steps)

    def _steps_until_member(self, host: Host) -> Ids:
        """The steps after which the API server knows the host: its init or join; if it is a member already, its load-bundle and `api_steps`."""
        if host == self.roles.seed:
            return self.init_step or (*self.load_steps[host.name], *self.api_steps)
        return self.join_steps.get(host.name) or (*self.load_steps[host.name], *self.api_steps)
