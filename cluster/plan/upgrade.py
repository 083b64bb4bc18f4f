"""The plan of upgrade-cluster: which hosts get the version of the file, in which order, and what each one waits for.

A host is finished when its running kubelet and its static pods have the version, and its files are those of the bundle. Finished hosts are
left out, so that a run continues where another one stopped. See docs/decisions/upgrade-order.md for the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.plan import reasons
from cluster.plan.copies import CopySettings, hosts_to_copy
from cluster.plan.create import INSTALL_CNI, PUBLISH_KUBECONFIG, VERIFY_NETWORK, WAIT_NETWORK
from cluster.plan.delete import SAVE_COPY
from cluster.plan.drain import DRAIN_NODE, DRAIN_SECONDS, drain_values
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.notes import unchanged_nodes
from cluster.plan.unapplied import unapplied
from cluster.plan.upgraded_settings import changed_names, upgraded_settings
from cluster.plan.values import (
    HostFiles,
    copy_values,
    label_values,
    prepare_values,
    restart_kubelet_values,
    upgrade_control_plane_values,
    upgrade_node_values,
)
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host, Role
from cluster.vocabulary.topology import Topology, topology

STAGE_BUNDLE = "stage-bundle"
UPDATE_SETTINGS = "update-settings"
UPGRADE_CONTROL_PLANE = "upgrade-control-plane"
WAIT_ADDONS = "wait-addons"
UPGRADE_NODE = "upgrade-node"
UPGRADE_KUBELET = "upgrade-kubelet"
UNCORDON_NODE = "uncordon-node"

# the static pods whose images have the version of Kubernetes; etcd and CoreDNS have their own versions
KUBERNETES_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# what kubeadm installs in every cluster, by kind of object; the owner may have removed them
ADDONS = {"coredns": "Deployment", "kube-proxy": "DaemonSet"}

Ids = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpgradeSettings:
    """How an upgrade treats the workers."""

    max_unavailable: int = 1  # workers that are upgraded at the same time
    drain_seconds: int = DRAIN_SECONDS
    force: bool = False  # delete pods that a drain would lose, and pods that budgets still protect at the limit


@dataclass(frozen=True, slots=True)
class BundledVersion:
    """What a bundle has for a cluster."""

    files: Mapping[str, HostFiles] = field(default_factory=dict)  # by host: all files and images of its role
    staged: Mapping[str, HostFiles] = field(default_factory=dict)  # by host: those that are loaded before anything restarts
    tags: Mapping[str, str] = field(default_factory=dict)  # of etcd's and CoreDNS's image, by component


def plan_upgrade(
    spec: ResolvedSpec,
    facts: Mapping[str, HostFacts],
    state: ClusterState,
    bundled: BundledVersion,
    copies: CopySettings | None,
    settings: UpgradeSettings,
    *,
    network: str | None = None,
    kubeconfig_saved: bool = True,
) -> Plan:
    """The steps from the running versions to that of the file. The preconditions hold (cluster/plan/upgrade_problems.py).

    `copies`: None upgrades without a copy of etcd's data. `network`, `kubeconfig_saved`: see plan_create().
    """
    upgrade = _UpgradePlan(spec, topology(spec), facts, state, bundled, settings, PlanBuilder(spec.name))
    # The whole order. Each method says what its steps wait for.
    upgrade.save_copies(copies)
    upgrade.stage_bundles()
    upgrade.update_settings()
    upgrade.upgrade_control_planes()
    upgrade.publish_kubeconfig(saved=kubeconfig_saved)
    upgrade.install_network(network)
    upgrade.wait_for_addons()
    upgrade.upgrade_nodes()
    upgrade.verify_network()
    return upgrade.builder.build(upgrade.notes(copies))


def interrupted_control_planes(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[Host, ...]:
    """Control planes on which the power failed while kubeadm replaced a manifest. Without it, the API server may not run, and nothing can be planned."""
    return tuple(host for host in spec.control_planes if host.name in facts and _is_interrupted(spec, facts[host.name]))


def plan_resume(spec: ClusterSpec, hosts: Sequence[Host]) -> Plan:
    """Finish the interrupted step of these control planes, one after the other; then the rest can be planned."""
    builder = PlanBuilder(spec.name)
    needs: Ids = ()
    for host in hosts:
        values = upgrade_control_plane_values(spec, host, seed=host == topology(spec).seed)
        reason = "an earlier upgrade was interrupted while it replaced a manifest"
        needs = builder.add(UPGRADE_CONTROL_PLANE, host.name, reason=reason, values=values, needs=needs)
    return builder.build()


def _is_interrupted(spec: ClusterSpec, facts: HostFacts) -> bool:
    found, last = facts.kubernetes, next((step for step in facts.steps if step.name == UPGRADE_CONTROL_PLANE), None)
    unfinished = last is not None and not last.running and last.exit_code != 0
    return (
        facts.owner == spec.name
        and unfinished
        and found.admin_config
        and not {*KUBERNETES_COMPONENTS, "etcd"} <= found.static_images.keys()
    )


@dataclass
class _UpgradePlan:
    """The plan under construction, and the ids of the steps that later steps wait for."""

    spec: ResolvedSpec
    roles: Topology
    facts: Mapping[str, HostFacts]
    state: ClusterState
    bundled: BundledVersion
    settings: UpgradeSettings
    builder: PlanBuilder
    ready_steps: list[str] = field(default_factory=list)  # all must succeed before a component restarts
    control_plane_steps: list[str] = field(default_factory=list)
    before_nodes: list[str] = field(default_factory=list)  # all must succeed before a node is drained
    last_steps: list[str] = field(default_factory=list)  # of the nodes

    def save_copies(self, copies: CopySettings | None) -> None:
        """etcd may get a newer version, which has no way back: its data is saved before anything changes."""
        if copies is None or not self._stale_control_planes():
            return
        for host in hosts_to_copy(self.spec, self.facts):
            reason = f"etcd's data and PKI of {host.name} are saved before the upgrade"
            self.ready_steps += self.builder.add(SAVE_COPY, host.name, reason=reason, values=copy_values(self.spec, host, copies))

    def stage_bundles(self) -> None:
        """kubeadm and the images, on every host before the first one is upgraded: kube-proxy and the pods of drained nodes start on any of them.

        Programs that run are not replaced yet: after a reboot, the kubelet would be newer than the API server.
        """
        for host in self.spec.hosts:
            lacks = self.bundled.staged.get(host.name, HostFiles())
            found = self.facts[host.name]
            files, images = lacks.files - found.bundle_files, lacks.images - found.images
            needed = bool(files or images) and bool(self._stale_control_planes() or self._node_reason(host))
            reason = f"{len(files)} file(s) and {len(images)} image(s) of {self.spec.version} are missing" if needed else None
            self.ready_steps += self.builder.add(STAGE_BUNDLE, host.name, reason=reason)

    def update_settings(self) -> None:
        """kubeadm takes the settings of the new components from the ConfigMaps of the cluster."""
        documents = self._new_settings()
        names = ", ".join(changed_names(self.spec, self.state))
        reason = f"the file, or the new version, changes {names}" if documents else None
        self.ready_steps += self.builder.add(UPDATE_SETTINGS, reason=reason, values=documents, needs=self.ready_steps)

    def upgrade_control_planes(self) -> None:
        """One after the other. All API servers are new before the first kubelet is, as a kubelet may reach any of them."""
        needs = list(self.ready_steps)
        for host, reason in self._stale_control_planes().items():
            values = upgrade_control_plane_values(self.spec, self.spec.host(host), seed=host == self.roles.seed.name)
            step = self.builder.add(UPGRADE_CONTROL_PLANE, host, reason=reason, values=values, needs=needs)
            self.control_plane_steps += step
            needs = list(step)
        self.before_nodes = needs

    def publish_kubeconfig(self, *, saved: bool) -> None:
        """kubeadm renews the certificates of the components that it upgrades, and that of admin.conf."""
        seed = [step for step in self.control_plane_steps if step.endswith(f"/{self.roles.seed.name}")]
        reason = "the certificate in admin.conf is renewed" if seed else reasons.to_publish(new_keys=False, saved=saved)
        self.last_steps += self.builder.add(PUBLISH_KUBECONFIG, reason=reason, needs=seed)

    def install_network(self, digest: str | None) -> None:
        """The pod network works on every node before the first one is drained."""
        reason = reasons.to_install_network(self.spec, self.state, digest)
        step = self.builder.add(INSTALL_CNI, reason=reason, needs=self.before_nodes)
        waits = self.builder.add(WAIT_NETWORK, reason="the pod network was applied" if step else None, needs=step)
        self.before_nodes = [*waits] or self.before_nodes

    def wait_for_addons(self) -> None:
        """kubeadm upgrades them with the last control plane. The new pods of CoreDNS are on different nodes: a drain moves one of them."""
        names = sorted(ADDONS.keys() & self.state.component_images.keys())
        reason = f"kubeadm upgrades {' and '.join(names)}" if self.control_plane_steps and names else None
        values = {"workloads": {name: ADDONS[name] for name in names}}
        self.before_nodes = [*self.builder.add(WAIT_ADDONS, reason=reason, values=values, needs=self.before_nodes)] or self.before_nodes

    def upgrade_nodes(self) -> None:
        """Control planes one by one, then workers in batches. A batch waits for the whole one before it."""
        needs: Sequence[str] = self.before_nodes
        for batch in self._batches():
            last = [step for host in batch for step in self._upgrade_node(host, needs)]
            if last:
                needs = last
                self.last_steps += last

    def verify_network(self) -> None:
        """Once every node has the version."""
        if self.builder.kinds - {PUBLISH_KUBECONFIG}:
            reason = reasons.to_verify(self.spec, changed=True)
            names = [host.name for host in self.spec.hosts]
            self.builder.add(VERIFY_NETWORK, reason=reason, values={"nodes": names}, needs=[*self.before_nodes, *self.last_steps])

    def notes(self, copies: CopySettings | None) -> Iterator[str]:
        """What is found and left as it is."""
        if copies is None and self._stale_control_planes():
            yield "etcd is upgraded without a copy of its data"
        yield from unchanged_nodes(self.spec, self.state)
        yield from unapplied(self.spec, self._with_new_settings())
        for host in self.spec.hosts:
            node = self.state.node(host.name)
            if node is not None and (reason := reasons.to_label(label_values(self.spec, host), node, self.state.endpoints.get(host.name))):
                yield f"{host.name}: {reason}, which `sixstack create` changes after the upgrade"

    def _new_settings(self) -> dict[str, dict[str, Any]]:
        """The documents of kubeadm that change before the control planes are upgraded."""
        return upgraded_settings(self.spec, self.state) if self._stale_control_planes() else {}

    def _with_new_settings(self) -> ClusterState:
        documents, old = self._new_settings(), self.state
        kubeadm, kubelet = documents.get("cluster", old.kubeadm), documents.get("kubelet", old.kubelet)
        return replace(old, kubeadm=kubeadm, kubelet=kubelet, kube_proxy=documents.get("kube_proxy", old.kube_proxy))

    def _upgrade_node(self, host: Host, needs: Sequence[str]) -> Ids:
        """Drain, new programs, the version, schedulable again; a node that is only left cordoned is uncordoned."""
        add, name = self.builder.add, host.name
        reason = self._node_reason(host)
        node = self.state.node(name)
        if reason is not None:
            drain = drain_values(self.settings.drain_seconds, force=self.settings.force)
            drained = add(DRAIN_NODE, name, reason=f"{reason}: its pods move first", values=drain, needs=needs)
            images = self.bundled.files.get(name, HostFiles()).images
            values = {"prepare": prepare_values(self.spec, host, images), "upgrade": upgrade_node_values(self.spec, host)}
            upgraded = add(UPGRADE_NODE, name, reason=reason, values=values, needs=drained)
            needs = add(UPGRADE_KUBELET, name, reason=reason, values=restart_kubelet_values(self.spec, host), needs=upgraded)
        cordoned = node is not None and node.drain_unfinished
        left = "the node has the version" if reason is not None else "an earlier upgrade left the node cordoned" if cordoned else None
        return add(UNCORDON_NODE, name, reason=left, needs=needs)

    def _batches(self) -> Iterator[tuple[Host, ...]]:
        """Only nodes with something to do count, so that a batch has its full size."""
        unfinished = [host for host in (*self.roles.control_planes, *self.roles.workers) if self._unfinished(host)]
        yield from ((host,) for host in unfinished if host.role is Role.CONTROL_PLANE)
        workers = [host for host in unfinished if host.role is Role.WORKER]
        size = self.settings.max_unavailable
        yield from (tuple(workers[first : first + size]) for first in range(0, len(workers), size))

    def _unfinished(self, host: Host) -> bool:
        node = self.state.node(host.name)
        return self._node_reason(host) is not None or (node is not None and node.drain_unfinished)

    def _node_reason(self, host: Host) -> str | None:
        """Why the programs of a host are not those of the version."""
        found, node = self.facts[host.name], self.state.node(host.name)
        wanted = self.bundled.files.get(host.name, HostFiles())
        if node is not None and node.kubelet_version != self.spec.version:
            return f"the kubelet has {node.kubelet_version}"
        if missing := wanted.files - found.bundle_files:
            return f"{len(missing)} file(s) of the bundle are missing"
        if found.kubernetes.replaced:
            return f"{' and '.join(found.kubernetes.replaced)} still run from replaced files"
        if found.prepared != prepare_values(self.spec, host, wanted.images)["digest"]:
            return "the host was prepared for another version"
        return None

    def _stale_control_planes(self) -> dict[str, str]:
        """Why the static pods of a control plane, or what kubeadm upgrades with them, are not those of the version; by host, the seed first."""
        reasons_of = {host.name: reason for host in self.roles.control_planes if (reason := self._static_reason(host)) is not None}
        last = self.roles.control_planes[-1].name
        if not reasons_of and (reason := self._addon_reason()) is not None:
            reasons_of[last] = reason
        return reasons_of

    def _static_reason(self, host: Host) -> str | None:
        images = self.facts[host.name].kubernetes.static_images
        for name in KUBERNETES_COMPONENTS:
            if image_tag(images.get(name, "")) != self.spec.version:
                return f"{name} has {image_tag(images.get(name, '')) or 'no version'}"
        if _is_older(image_tag(images.get("etcd", "")), self.bundled.tags.get("etcd", "")) and not self._chosen_tag("etcd", "local"):
            return f"etcd has {image_tag(images['etcd'])}"
        recorded = str(self.state.kubeadm.get("kubernetesVersion", self.spec.version))
        if host == self.roles.seed and recorded != self.spec.version:
            return f"kubeadm's settings have {recorded}"
        return None

    def _addon_reason(self) -> str | None:
        proxy, dns = (image_tag(self.state.component_images.get(name, "")) for name in ("kube-proxy", "coredns"))
        if proxy and proxy != self.spec.version:
            return f"kube-proxy has {proxy}"
        if _is_older(dns, self.bundled.tags.get("coredns", "")) and not self._chosen_tag("dns"):
            return f"CoreDNS has {dns}"
        return None

    def _chosen_tag(self, *place: str) -> bool:
        """The owner chose the version of a component himself (`imageTag` of kubeadm's ClusterConfiguration)."""
        document = self.state.kubeadm
        for key in place:
            document = document.get(key) or {}
        return bool(document.get("imageTag"))


def image_tag(image: str) -> str:
    """The tag of an image's reference; "" without one."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[2]


def _is_older(tag: str, than: str) -> bool:
    """Compare the numbers of two tags, such as 3.6.6-0; unknown tags are not older. kubeadm never installs an older version than the running one."""
    numbers, wanted = ([int(number) for number in re.findall(r"\d{1,9}", text)] for text in (tag, than))
    return bool(numbers and wanted) and numbers < wanted
