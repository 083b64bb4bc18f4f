"""Drift without hosts: each kind of difference is found, and only it; what create-cluster repairs is what its plan has steps for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.drift.comparison import BundledVersions, Inspected, compare
from cluster.drift.difference import Difference, Repair
from cluster.drift.static_pods import StaticPods
from cluster.facts.cluster_state import ClusterState, NodeState, ObjectDifference
from cluster.facts.host_facts import BootSettings, HostFacts, InterfaceAddress, Link, SysctlFile, SysctlLine, UnitState
from cluster.facts.node_settings import NodeSettings
from cluster.kubeadm.documents import cluster_configuration, kube_proxy_configuration, kubelet_arguments, kubelet_configuration
from cluster.kubeadm.kernel_settings import SYSCTL_FILE, sysctls
from cluster.plan import create
from cluster.plan.create import plan_create
from cluster.plan.existing import observed_cluster
from cluster.plan.immutable import immutable_settings
from cluster.plan.resolution import UNKNOWN
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.families import Family
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.remembered_hosts import encode_endpoint
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Taint, TaintEffect
from tests.cluster.plan.test_create import BUNDLE, SPEC, member, node

TARGETS = {"f1": "/usr/local/bin/kubelet", "f2": "/usr/local/bin/kubeadm"}
WANTED = {host.name: replace(BUNDLE, targets=TARGETS) for host in SPEC.hosts}
UNITS = {"containerd.service": UnitState(active=True, enabled=True), "kubelet.service": UnitState(active=True, enabled=True)}
POD: dict[str, Any] = {
    "kind": "Pod",
    "spec": {"containers": [{"command": ["kube-apiserver", "--profiling=false", "--v=2"], "image": "kube-apiserver:v1.36.3"}]},
}


def facts_of(name: str) -> HostFacts:
    """A host as prepare-host left it."""
    link = Link("eth0", 1500, None, up=True, accept_ra=2)
    boot = BootSettings(files=(SysctlFile(SYSCTL_FILE, lines=(SysctlLine("net/ipv6/conf/eth0/accept_ra", "2"),)),))
    return replace(member(name), units=UNITS, kernel_settings=sysctls(SPEC), links=(link,), boot=boot)


def node_of(name: str) -> NodeState:
    """A Node as label-node left it."""
    return replace(node(name), kubelet_version=SPEC.version, runtime_version="containerd://2.2.1")


@dataclass
class Actual:
    """A cluster as its file says, to change."""

    spec: ResolvedSpec = SPEC
    facts: dict[str, HostFacts] = field(default_factory=lambda: {name: facts_of(name) for name in ("a", "b")})
    settings: dict[str, NodeSettings] = field(
        default_factory=lambda: {
            host.name: NodeSettings(host.name, (), kubelet_configuration(SPEC), kubelet_arguments(SPEC, host)) for host in SPEC.hosts
        }
    )
    state: ClusterState | None = field(
        default_factory=lambda: ClusterState(
            nodes=(node_of("a"), node_of("b")),
            cni=CniKind.FLANNEL,
            cni_digest="d",
            endpoints={host.name: encode_endpoint(host.ssh) for host in SPEC.hosts},
            coredns_ready=True,
            kubeadm=cluster_configuration(SPEC),
            kubelet=kubelet_configuration(SPEC),
            kube_proxy=kube_proxy_configuration(SPEC),
            component_images={"kube-proxy": "registry.k8s.io/kube-proxy:v1.36.3", "coredns": "registry.k8s.io/coredns/coredns:v1.14.2"},
        )
    )
    pods: StaticPods = field(default_factory=lambda: StaticPods({"kube-apiserver.yaml": POD}, {"kube-apiserver.yaml": POD}))
    saved: bool = True
    refusals: tuple[Problem, ...] = ()

    def inspected(self) -> Inspected:
        """What the comparison gets."""
        plan = plan_create(self.spec, self.facts, WANTED, self.state, network="d", kubeconfig_saved=self.saved, verify=False)
        return Inspected(
            spec=self.spec,
            facts=self.facts,
            wanted=WANTED,
            plan=plan,
            state=self.state,
            immutable=immutable_settings(self.spec, observed_cluster(self.spec, self.facts, self.state)),
            refusals=self.refusals,
            settings=self.settings,
            static_pods={"a": self.pods},
            bundled=BundledVersions("2.2.1", dict(Actual.state_images())),
        )

    @staticmethod
    def state_images() -> dict[str, str]:
        """The images of the bundle."""
        return {"kube-proxy": "registry.k8s.io/kube-proxy:v1.36.3", "coredns": "registry.k8s.io/coredns/coredns:v1.14.2"}

    def host(self, name: str, **changes: Any) -> None:
        """Change facts of a host."""
        self.facts[name] = replace(self.facts[name], **changes)

    def in_the_api(self, **changes: Any) -> None:
        """Change the state of the API."""
        assert self.state is not None
        self.state = replace(self.state, **changes)

    def node(self, name: str, **changes: Any) -> None:
        """Change a Node."""
        assert self.state is not None
        self.in_the_api(nodes=tuple(replace(each, **changes) if each.name == name else each for each in self.state.nodes))

    def setting(self, name: str, **changes: Any) -> None:
        """Change settings of a node on its host."""
        self.settings[name] = replace(self.settings[name], **changes)


Change = Callable[[Actual], None]


def without_label(actual: Actual) -> None:
    """The label of the file is gone."""
    assert actual.state is not None
    found = actual.state.node("b")
    assert found is not None
    actual.node("b", labels={key: value for key, value in found.labels.items() if key != "rack"})


# change -> path of the one difference, who repairs it
CHANGES: dict[str, tuple[Change, str, Repair]] = {
    "label": (without_label, "hosts/b/labels/rack", Repair.CREATE),
    "program": (lambda a: a.host("b", bundle_files=frozenset({"f2"})), "hosts/b/files/usr/local/bin/kubelet", Repair.CREATE),
    "image": (lambda a: a.host("a", images=frozenset()), "hosts/a/images/registry.k8s.io/pause:3.10.2", Repair.CREATE),
    "written file": (
        lambda a: a.host("b", changed_files=("/etc/containerd/config.toml",)),
        "hosts/b/files/etc/containerd/config.toml",
        Repair.CREATE,
    ),
    "hosts file": (lambda a: a.host("a", hosts_entries=()), "hosts/a/files/etc/hosts", Repair.CREATE),
    "kernel setting": (
        lambda a: a.host("b", kernel_settings={**sysctls(SPEC), "net.ipv4.ip_forward": "0"}),
        "hosts/b/sysctls/net.ipv4.ip_forward",
        Repair.CREATE,
    ),
    "accept_ra": (
        lambda a: a.host("a", links=(Link("eth0", 1500, None, up=True, accept_ra=1),)),
        "hosts/a/sysctls/net.ipv6.conf.eth0.accept_ra",
        Repair.CREATE,
    ),
    "unit disabled": (
        lambda a: a.host("a", units={**UNITS, "kubelet.service": UnitState(active=True, enabled=False)}),
        "hosts/a/units/kubelet.service",
        Repair.CREATE,
    ),
    "containerd stopped": (
        lambda a: a.host("b", units={**UNITS, "containerd.service": UnitState(active=False, enabled=True)}),
        "hosts/b/units/containerd.service",
        Repair.CREATE,
    ),
    "kubelet stopped": (
        lambda a: a.host("b", kubernetes=replace(a.facts["b"].kubernetes, kubelet_active=False)),
        "hosts/b/member",
        Repair.CREATE,
    ),
    "other settings": (lambda a: a.host("a", prepared="0" * 64), "hosts/a/prepared", Repair.CREATE),
    "not ready": (lambda a: a.node("a", ready=False, reason="runtime is down"), "hosts/a/ready", Repair.CREATE),
    "pod network object": (
        lambda a: a.in_the_api(
            network_differences=(ObjectDifference("ConfigMap kube-flannel/kube-flannel-cfg", "data.net-conf.json", "x", "y"),)
        ),
        "pod-network/ConfigMap kube-flannel/kube-flannel-cfg/data.net-conf.json",
        Repair.CREATE,
    ),
    "cluster DNS": (lambda a: a.in_the_api(coredns_ready=False), "cluster-dns", Repair.CREATE),
    "kubeconfig": (lambda a: setattr(a, "saved", False), "kubeconfig", Repair.CREATE),
    "taint": (
        lambda a: a.node("b", taints=(Taint(key="theirs", value="x", effect=TaintEffect.NO_EXECUTE),)),
        "hosts/b/taints/theirs:NoExecute",
        Repair.OWNER,
    ),
    "interrupted drain": (
        lambda a: a.node("b", unschedulable=True, drain_unfinished=True),
        "hosts/b/schedulable",
        Repair.CREATE,
    ),
    "forgotten endpoint": (
        lambda a: a.in_the_api(endpoints={"b": encode_endpoint(SPEC.host("b").ssh)}),
        "hosts/a/remembered-endpoint",
        Repair.CREATE,
    ),
    "cordoned": (lambda a: a.node("b", unschedulable=True), "hosts/b/schedulable", Repair.OWNER),
    "another node": (
        lambda a: a.in_the_api(nodes=(*a.state.nodes, NodeState("c", ready=True))) if a.state else None,
        "nodes/c",
        Repair.OWNER,
    ),
    "addresses": (lambda a: a.node("b", addresses=(ip_address("198.18.0.99"),)), "hosts/b/addresses", Repair.OWNER),
    "range": (
        lambda a: a.in_the_api(
            kubeadm={**cluster_configuration(SPEC), "networking": {"serviceSubnet": "10.97.0.0/16,fd44:0:0:ffff::/112"}}
        ),
        "network/services",
        Repair.OWNER,
    ),
    "version": (
        lambda a: a.in_the_api(kubeadm={**cluster_configuration(SPEC), "kubernetesVersion": "v1.35.4"}),
        "kubernetes_version",
        Repair.UPGRADE,
    ),
    "kubelet version": (lambda a: a.node("b", kubelet_version="v1.35.4"), "hosts/b/kubelet-version", Repair.UPGRADE),
    "containerd version": (lambda a: a.node("b", runtime_version="containerd://2.1.0"), "hosts/b/containerd-version", Repair.UPGRADE),
    "coredns": (
        lambda a: a.in_the_api(component_images={**Actual.state_images(), "coredns": "registry.k8s.io/coredns/coredns:v1.13.1"}),
        "components/coredns",
        Repair.UPGRADE,
    ),
    "name of the certificate": (
        lambda a: a.in_the_api(
            kubeadm={**cluster_configuration(SPEC), "apiServer": {**cluster_configuration(SPEC)["apiServer"], "certSANs": ["a"]}}
        ),
        "control_plane/extra_sans/198.18.0.11",
        Repair.RENEW,
    ),
    "kube-proxy": (
        lambda a: a.in_the_api(kube_proxy={**kube_proxy_configuration(SPEC), "mode": "iptables"}),
        "kubeadm/kube_proxy/mode",
        Repair.OWNER,
    ),
    "disguised program": (
        lambda a: a.setting("b", changed_files=("/usr/local/bin/kubelet",)),
        "hosts/b/files/usr/local/bin/kubelet",
        Repair.OWNER,
    ),
    "authority": (lambda a: a.host("b", foreign_authority=True), "hosts/b/files/etc/kubernetes/pki/ca.crt", Repair.OWNER),
    "kubelet config": (
        lambda a: a.setting("b", kubelet={**kubelet_configuration(SPEC), "maxPods": 50}),
        "hosts/b/kubelet/config/maxPods",
        Repair.OWNER,
    ),
    "kubelet argument": (
        lambda a: a.setting("b", kubelet_flags={"node-ip": "198.18.0.12"}),
        "hosts/b/kubelet/argument/node-ip",
        Repair.OWNER,
    ),
    "static pod argument": (
        lambda a: setattr(a, "pods", pods_with("--profiling=true")),
        "hosts/a/static-pods/kube-apiserver/argument.profiling",
        Repair.OWNER,
    ),
    "static pod": (
        lambda a: setattr(a, "pods", StaticPods(a.pods.expected, {})),
        "hosts/a/static-pods/kube-apiserver",
        Repair.OWNER,
    ),
    "refusal": (
        lambda a: setattr(a, "refusals", (Problem("port-closed", "hosts/b/firewall", "closed", "open it"),)),
        "hosts/b/firewall",
        Repair.OWNER,
    ),
}


def pods_with(argument: str) -> StaticPods:
    """The API server with another argument of this name."""
    container = POD["spec"]["containers"][0]
    name = argument.partition("=")[0]
    command = [argument if each.startswith(name) else each for each in container["command"]]
    return StaticPods(
        {"kube-apiserver.yaml": POD}, {"kube-apiserver.yaml": {**POD, "spec": {"containers": [{**container, "command": command}]}}}
    )


def drift(*names: str) -> tuple[Inspected, tuple[Difference, ...]]:
    """The inspected cluster after these changes, and its differences."""
    actual = Actual()
    for name in names:
        CHANGES[name][0](actual)
    inspected = actual.inspected()
    return inspected, compare(inspected)


def test_a_cluster_as_its_file_says_has_no_drift() -> None:
    """Nothing, and an empty plan."""
    inspected, found = drift()
    assert inspected.plan.empty
    assert found == ()


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_found_and_only_it(name: str) -> None:
    """With the one who repairs it, what to do, and two different values."""
    _, path, repair = CHANGES[name]
    _, found = drift(name)
    if name == "name of the certificate":  # several names are missing
        assert {each.repair for each in found} == {repair}
        found = tuple(each for each in found if each.path == path)
    (difference,) = found
    assert (difference.path, difference.repair) == (path, repair)
    assert difference.expected != difference.actual
    assert difference.command
    assert bool(difference.step) is (repair is Repair.CREATE)


# they change the same value as another one, or hide it
ALONE = {"static pod", "range", "version", "name of the certificate", "other settings", "another node", "coredns"}
# steps that follow from other steps of the plan
FOLLOWING = {create.LOAD_BUNDLE, create.WAIT_NETWORK, create.WAIT_DNS, create.VERIFY_NETWORK, create.WAIT_READY}


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(sorted(CHANGES.keys() - ALONE))))
def test_what_create_repairs_is_what_its_plan_has_steps_for(names: set[str]) -> None:
    """Any set of changes: each is found, each difference of create has a step of the plan, and each step that is a cause has a difference."""
    if {"program", "disguised program"} <= names:
        names.remove("disguised program")  # the same path
    inspected, found = drift(*sorted(names))
    assert {each.path for each in found} == {CHANGES[name][1] for name in names}
    planned = {step.id for step in inspected.plan.steps}
    explained = {each.step for each in found if each.repair is Repair.CREATE}
    assert explained <= planned
    assert {step.id for step in inspected.plan.steps if step.kind not in FOLLOWING} <= explained


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(sorted(CHANGES.keys() - ALONE)), min_size=1))
def test_applying_the_expected_state_leaves_no_difference(names: set[str]) -> None:
    """When create-cluster has done its steps, only what others repair is left; when they have too, nothing."""
    left = {name for name in names if CHANGES[name][2] is not Repair.CREATE}
    inspected, found = drift(*sorted(left))
    assert inspected.plan.empty
    assert {each.repair for each in found} <= {Repair.OWNER, Repair.UPGRADE, Repair.RENEW}
    assert drift()[1] == ()


def test_a_host_without_facts_hides_no_difference_of_the_others() -> None:
    """Its own label in the API is still compared."""
    actual = Actual()
    without_label(actual)
    CHANGES["kernel setting"][0](actual)
    actual.host("a", hosts_entries=())
    del actual.facts["b"], actual.settings["b"]
    assert [each.path for each in compare(actual.inspected())] == ["hosts/a/files/etc/hosts", "hosts/b/labels/rack"]


def test_an_api_that_does_not_answer_is_no_difference() -> None:
    """The plan has steps that need the API in any case; the hosts are still compared."""
    actual = Actual(state=None)
    CHANGES["written file"][0](actual)
    assert [each.path for each in compare(actual.inspected())] == ["hosts/b/files/etc/containerd/config.toml"]


def test_taints_that_kubernetes_sets_are_no_drift() -> None:
    """The control plane's, and those of conditions."""
    actual = Actual()
    names = ("node-role.kubernetes.io/control-plane", "node.kubernetes.io/disk-pressure")
    actual.node("a", taints=tuple(Taint(key=name, value="", effect=TaintEffect.NO_SCHEDULE) for name in names))
    assert compare(actual.inspected()) == ()


def test_bare_hosts_differ_in_what_each_of_them_lacks() -> None:
    """A host is one difference before it is prepared, and one before it is a member."""
    from tests.cluster.plan.test_create import bare

    actual = Actual(state=None, facts={"a": bare("a"), "b": bare("b")}, settings={}, saved=False)
    paths = {each.path for each in compare(actual.inspected())}
    assert paths == {"hosts/a/prepared", "hosts/b/prepared", "hosts/a/member", "hosts/b/member"}


def test_links_that_are_gone_are_not_compared() -> None:
    """The setting of a link that was removed, and a link whose setting is unknown."""
    actual = Actual()
    actual.host("a", links=())
    actual.host("b", links=(Link("eth0", 1500, None, up=True, addresses=tuple[InterfaceAddress, ...](), accept_ra=None),))
    assert compare(actual.inspected()) == ()


def test_an_address_that_nobody_knows_is_no_difference() -> None:
    """The host was not inspected, and its node has one family only: the placeholder is printed nowhere."""
    actual = Actual()
    half = SPEC.host("b").addresses[:1]
    hosts = [SPEC.host("a"), SPEC.host("b").model_copy(update={"addresses": (*half, UNKNOWN[Family.IPV6])})]
    actual.spec = ResolvedSpec.of(SPEC.model_copy(update={"hosts": tuple(hosts)}))
    del actual.facts["b"], actual.settings["b"]
    actual.node("b", addresses=half)
    assert compare(actual.inspected()) == ()
