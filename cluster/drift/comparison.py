"""Compares an inspected cluster with its file.

The differences that create-cluster repairs are those for which its plan has a step. The others come from the same comparisons that refuse or
note a change of the file (cluster/plan/immutable.py, unapplied.py), and from settings that create-cluster never changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cluster.drift.certificates import certificate_differences
from cluster.drift.difference import API, COMMANDS, Difference, Repair
from cluster.drift.static_pods import StaticPods, static_pod_differences
from cluster.facts.certificates import HostCertificates
from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.documents import shown
from cluster.facts.host_facts import HostFacts
from cluster.facts.node_settings import NodeSettings
from cluster.kubeadm.documents import kubelet_arguments
from cluster.plan import create
from cluster.plan.expiry import CertificateCheck
from cluster.plan.graph import Plan, PlannedStep
from cluster.plan.immutable import ImmutableSetting
from cluster.plan.mismatches import NOTHING, Mismatch, host_mismatches, label_mismatches
from cluster.plan.unapplied import NAMES_OF_CERTIFICATE, is_same, unapplied_settings
from cluster.plan.values import HostFiles
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Host
from cluster.vocabulary.topology import topology

# taints that Kubernetes and kubeadm set and remove
_OWN_TAINTS = ("node.kubernetes.io/", "node-role.kubernetes.io/control-plane")
# fields that kubeadm writes for each node, and one that is not read because it may have a token
_NOT_COMPARED = {"resolvConf", "containerRuntimeEndpoint", "imageServiceEndpoint", "staticPodURLHeader"}


@dataclass(frozen=True)
class BundledVersions:
    """Versions of the artifact bundle; "" and a missing name are not compared."""

    containerd: str = ""
    images: Mapping[str, str] = field(default_factory=dict)  # of kube-proxy and coredns, by name


@dataclass(frozen=True)
class Inspected:
    """An inspected cluster, and the plan that create-cluster would make for it."""

    spec: ResolvedSpec
    facts: Mapping[str, HostFacts]  # without hosts that could not be inspected
    wanted: Mapping[str, HostFiles]
    plan: Plan
    state: ClusterState | None  # None: there is no control plane yet, or its API did not answer
    immutable: Sequence[ImmutableSetting] = ()
    refusals: Sequence[Problem] = ()  # faults of the hosts that make create-cluster refuse
    settings: Mapping[str, NodeSettings] = field(default_factory=dict)
    static_pods: Mapping[str, StaticPods] = field(default_factory=dict)  # by control plane
    bundled: BundledVersions = field(default_factory=BundledVersions)
    certificates: Mapping[str, HostCertificates] = field(default_factory=dict)
    certificate_check: CertificateCheck | None = None  # of these certificates, at the time of the inspection


def compare(inspected: Inspected) -> tuple[Difference, ...]:
    """All differences, those that create-cluster repairs first."""
    return tuple(
        dict.fromkeys(
            (
                *_planned(inspected),
                *_immutable(inspected),
                *_refusals(inspected),
                *_nodes(inspected),
                *_components(inspected),
                *_unapplied(inspected),
                *_hosts(inspected),
                *_certificates(inspected),
            )
        )
    )


def _planned(inspected: Inspected) -> Iterator[Difference]:
    """One or more differences for each step of the plan that is not the consequence of another step."""
    for step in inspected.plan.steps:
        for mismatch in _causes(step, inspected):
            where = API if step.kind in _IN_THE_API else step.subject
            yield Difference(mismatch.name, mismatch.expected, mismatch.actual, where, Repair.CREATE, COMMANDS[Repair.CREATE], step.id)


_IN_THE_API = {create.LABEL_NODE, create.INSTALL_CNI, create.WAIT_READY, create.WAIT_DNS, create.PUBLISH_KUBECONFIG}


def _causes(step: PlannedStep, inspected: Inspected) -> Iterator[Mismatch]:
    """What the step is planned for. Nothing for a step that only follows from other steps."""
    at = f"hosts/{step.subject}"
    if step.kind == create.PREPARE_HOST:
        yield from _preparation(step, inspected, at)
    elif step.kind in (create.INIT_CONTROL_PLANE, create.JOIN_WORKER):
        yield Mismatch(f"{at}/member", "runs as a node of the cluster", step.reason)
    elif step.kind == create.PUBLISH_KUBECONFIG:
        if inspected.plan.step(create.INIT_CONTROL_PLANE, topology(inspected.spec).seed.name) is None:
            yield Mismatch("kubeconfig", "saved as a block", step.reason)
    elif inspected.state is not None:  # otherwise the API is unknown, and the plan has the other steps in any case
        yield from _causes_in_the_api(step, inspected, inspected.state, at)


def _causes_in_the_api(step: PlannedStep, inspected: Inspected, state: ClusterState, at: str) -> Iterator[Mismatch]:
    node = state.node(step.subject)
    if step.kind == create.INSTALL_CNI:
        for difference in state.network_differences:
            name = f"pod-network/{difference.object}{f'/{difference.field}' if difference.field else ''}"
            yield Mismatch(name, difference.expected, difference.actual)
        if not state.network_differences:
            yield Mismatch("pod-network", f"{inspected.spec.cni.kind.value}, as in the file", step.reason)
    elif step.kind == create.WAIT_DNS and not state.coredns_ready:
        yield Mismatch("cluster-dns", "ready", "CoreDNS is not ready")
    elif step.kind == create.LABEL_NODE and node is not None and _addresses_known(inspected.spec.host(step.subject)):
        for mismatch in label_mismatches(step.values, node, state.endpoints.get(step.subject)):
            yield Mismatch(f"{at}/{mismatch.name}", mismatch.expected, mismatch.actual)
    elif step.kind == create.WAIT_READY and node is not None:
        yield Mismatch(f"{at}/ready", "Ready", step.reason)


def _preparation(step: PlannedStep, inspected: Inspected, at: str) -> Iterator[Mismatch]:
    facts = inspected.facts[step.subject]
    if facts.owner is None or facts.prepared is None:
        yield Mismatch(f"{at}/prepared", "prepared for the cluster", step.reason)
        return
    if facts.prepared != step.values["digest"]:
        yield Mismatch(f"{at}/prepared", "the settings of the file", step.reason)
    for mismatch in host_mismatches(step.values, inspected.wanted[step.subject], facts):
        yield Mismatch(f"{at}/{mismatch.name}", mismatch.expected, mismatch.actual)


def _immutable(inspected: Inspected) -> Iterator[Difference]:
    for setting in inspected.immutable:
        if (
            setting.path == "kubernetes_version"
            and inspected.state is not None
            and inspected.state.kubeadm.get("kubernetesVersion") == inspected.spec.version
        ):
            continue  # only kubelets have another version; each has its own difference
        repair = Repair.UPGRADE if setting.path == "kubernetes_version" else Repair.OWNER
        command = COMMANDS[repair] if repair is Repair.UPGRADE else setting.hint
        yield Difference(setting.path, setting.wanted, setting.current, API, repair, command)


def _refusals(inspected: Inspected) -> Iterator[Difference]:
    for problem in inspected.refusals:
        host = problem.path.split("/")[1] if problem.path.startswith("hosts/") else API
        yield Difference(problem.path, f"no problem {problem.code}", problem.message, host, Repair.OWNER, problem.hint)


def _nodes(inspected: Inspected) -> Iterator[Difference]:
    if inspected.state is None:
        return
    hosts = {host.name: host for host in inspected.spec.hosts}
    for node in inspected.state.nodes:
        host = hosts.get(node.name)
        if host is None:
            addresses = ", ".join(map(str, node.addresses)) or "a node without an address"
            advice = f"sixstack remove CLUSTER {node.name}, or add the host to the file"
            yield Difference(f"nodes/{node.name}", NOTHING, addresses, API, Repair.OWNER, advice)
        else:
            yield from _node(inspected, host, node)


def _node(inspected: Inspected, host: Host, node: NodeState) -> Iterator[Difference]:
    at, spec = f"hosts/{host.name}", inspected.spec
    if node.addresses and node.addresses != host.addresses and _addresses_known(host):
        advice = f"correct --node-ip in /var/lib/kubelet/kubeadm-flags.env on {host.name}, then restart kubelet.service"
        expected, actual = (", ".join(map(str, each)) for each in (host.addresses, node.addresses))
        yield Difference(f"{at}/addresses", expected, actual, API, Repair.OWNER, advice)
    if node.kubelet_version and node.kubelet_version != spec.version:
        yield _upgrade(f"{at}/kubelet-version", spec.version, node.kubelet_version)
    wanted, running = inspected.bundled.containerd.removeprefix("v"), node.runtime_version.rpartition("/")[2].removeprefix("v")
    if wanted and running and running != wanted:
        yield _upgrade(f"{at}/containerd-version", wanted, running)
    if node.unschedulable and not node.drain_unfinished:
        advice = f"sixstack kubectl CLUSTER -- uncordon {node.name}"
        yield Difference(f"{at}/schedulable", "schedulable", "cordoned", API, Repair.OWNER, advice)
    named = {f"{taint.key}:{taint.effect.value}" for taint in host.taints} | {*node.managed_taints}
    for taint in node.taints:
        name = f"{taint.key}:{taint.effect.value}"
        if name not in named and not taint.key.startswith(_OWN_TAINTS):
            advice = f"sixstack kubectl CLUSTER -- taint node {node.name} {name}-, or add the taint to the file"
            yield Difference(f"{at}/taints/{name}", NOTHING, taint.value or "present", API, Repair.OWNER, advice)


def _addresses_known(host: Host) -> bool:
    """A host that was not inspected, and whose node lacks a family, has a placeholder, which must not be compared."""
    return not any(address.is_unspecified for address in host.addresses)


def _components(inspected: Inspected) -> Iterator[Difference]:
    for name, reference in inspected.bundled.images.items():
        actual = inspected.state.component_images.get(name) if inspected.state is not None else None
        if actual is not None and actual != reference:
            yield _upgrade(f"components/{name}", reference, actual)


def _upgrade(path: str, expected: str, actual: str) -> Difference:
    return Difference(path, expected, actual, API, Repair.UPGRADE, COMMANDS[Repair.UPGRADE])


def _unapplied(inspected: Inspected) -> Iterator[Difference]:
    for setting in unapplied_settings(inspected.spec, inspected.state) if inspected.state is not None else ():
        repair = Repair.RENEW if setting.path == NAMES_OF_CERTIFICATE else Repair.OWNER
        path = "/".join((*setting.path.split("."), *filter(None, [setting.name])))
        command = COMMANDS.get(repair, setting.why)
        yield Difference(path, setting.expected, setting.actual, API, repair, command)


def _hosts(inspected: Inspected) -> Iterator[Difference]:
    for host in inspected.spec.hosts:
        facts, settings = inspected.facts.get(host.name), inspected.settings.get(host.name)
        if facts is None or facts.owner != inspected.spec.name:
            continue
        if facts.foreign_authority:
            file = "/etc/kubernetes/pki/ca.crt"
            advice = f"restore {file} on {host.name}"
            yield Difference(f"hosts/{host.name}/files{file}", "the cluster's authority", "another one", host.name, Repair.OWNER, advice)
        if settings is not None:
            yield from _disguised_files(inspected, host, settings)
            if facts.kubernetes.kubelet_config:
                yield from _kubelet(inspected, host, settings)
        if (pods := inspected.static_pods.get(host.name)) is not None:
            yield from static_pod_differences(host.name, pods)


def _certificates(inspected: Inspected) -> Iterator[Difference]:
    if inspected.certificate_check is not None:
        yield from certificate_differences(inspected.spec, inspected.certificate_check, inspected.certificates)


def _disguised_files(inspected: Inspected, host: Host, settings: NodeSettings) -> Iterator[Difference]:
    """Files whose content differs, and whose size and time create-cluster takes for those of the installed file."""
    facts, targets = inspected.facts[host.name], inspected.wanted[host.name].targets
    intact = {targets[digest] for digest in facts.bundle_files if digest in targets}
    for path in settings.changed_files:
        if path in intact:
            advice = f"`touch {path}` on {host.name}, then sixstack create CLUSTER: its size and time are those of the installed file"
            yield Difference(f"hosts/{host.name}/files{path}", "the file of the bundle", "other content", host.name, Repair.OWNER, advice)


def _kubelet(inspected: Inspected, host: Host, settings: NodeSettings) -> Iterator[Difference]:
    at = f"hosts/{host.name}/kubelet"
    current = inspected.state.kubelet if inspected.state is not None else {}
    for key in sorted({*current, *settings.kubelet} - _NOT_COMPARED) if current and settings.kubelet else ():
        if not (is_same(current.get(key), settings.kubelet.get(key)) and is_same(settings.kubelet.get(key), current.get(key))):
            advice = f"`kubeadm upgrade node phase kubelet-config && systemctl restart kubelet` on {host.name}"
            yield Difference(
                f"{at}/config/{key}", shown(current.get(key)), shown(settings.kubelet.get(key)), host.name, Repair.OWNER, advice
            )
    for name, value in sorted(kubelet_arguments(inspected.spec, host).items()) if settings.kubelet_flags else ():
        if settings.kubelet_flags.get(name) != value:
            actual = settings.kubelet_flags.get(name, NOTHING)
            advice = f"correct --{name} in /var/lib/kubelet/kubeadm-flags.env on {host.name}, then restart kubelet.service"
            yield Difference(f"{at}/argument/{name}", value, actual, host.name, Repair.OWNER, advice)
