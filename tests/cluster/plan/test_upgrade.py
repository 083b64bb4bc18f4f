"""The plan of upgrade-cluster, without a host: its order, batches, and runs that continue where another one stopped."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.host_facts import HostFacts, KubernetesState, StepState
from cluster.kubeadm.documents import cluster_configuration, kube_proxy_configuration, kubelet_configuration
from cluster.plan.copies import CopySettings
from cluster.plan.graph import Plan, PlannedStep
from cluster.plan.upgrade import (
    KUBERNETES_COMPONENTS,
    BundledVersion,
    UpgradeSettings,
    interrupted_control_planes,
    plan_resume,
    plan_upgrade,
)
from cluster.plan.values import HostFiles, label_values, prepare_values
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import Host
from tests.cluster.plan.test_create import CA, bare
from tests.cluster.plan.test_graph import GOLDEN, edges, spec_of
from tests.cluster.plan.virtual_time import run_in_virtual_time

OLD, NEW = "v1.35.4", "v1.36.3"
OLD_TAGS, NEW_TAGS = {"etcd": "3.6.6-0", "coredns": "v1.13.1"}, {"etcd": "3.6.8-0", "coredns": "v1.14.2"}
COPIES = CopySettings("default")
DIGEST = "of the documents"


def cluster_of(control_planes: int, workers: int) -> ResolvedSpec:
    """A file with the new version and so many hosts."""
    spec = spec_of("dual-stack").model_copy(update={"kubernetes_version": NEW.removeprefix("v")})
    seed, worker = spec.control_planes[0], spec.workers[0]
    hosts = [seed.model_copy(update={"name": f"cp-{number}"}) for number in range(1, control_planes + 1)]
    hosts += [worker.model_copy(update={"name": f"worker-{number}"}) for number in range(1, workers + 1)]
    return ResolvedSpec.of(spec.model_copy(update={"hosts": tuple(hosts)}))


def files(version: str) -> HostFiles:
    """All files and images of a host for one version; the container runtime is the same in both."""
    images = {f"registry.k8s.io/kube-proxy:{version}", f"registry.k8s.io/pause:3.10.{1 if version == OLD else 2}"}
    return HostFiles(frozenset({"containerd", f"kubeadm {version}", f"kubelet {version}"}), frozenset(images))


def staged(version: str) -> HostFiles:
    """Those that are loaded first."""
    return HostFiles(frozenset({f"kubeadm {version}"}), files(version).images)


def static_images(version: str, tags: dict[str, str]) -> dict[str, str]:
    """The static pods of a control plane."""
    return {**{name: f"registry.k8s.io/{name}:{version}" for name in KUBERNETES_COMPONENTS}, "etcd": f"registry.k8s.io/etcd:{tags['etcd']}"}


class Simulated:
    """A cluster whose hosts and API change as each step of a plan says. It has the old version at first."""

    def __init__(self, spec: ResolvedSpec) -> None:
        self.spec = spec
        old = ResolvedSpec.of(spec.model_copy(update={"kubernetes_version": OLD.removeprefix("v")}))
        self.facts = {host.name: self._host(old, host) for host in spec.hosts}
        self.state = ClusterState(
            nodes=tuple(self._node(host) for host in spec.hosts),
            endpoints={host.name: label_values(spec, host)["endpoint"] for host in spec.hosts},
            cni=spec.cni.kind,
            cni_digest=DIGEST,
            coredns_ready=True,
            kubeadm=cluster_configuration(old),
            kubelet=kubelet_configuration(old),
            kube_proxy=kube_proxy_configuration(old),
            component_images={
                "kube-proxy": f"registry.k8s.io/kube-proxy:{OLD}",
                "coredns": f"registry.k8s.io/coredns/coredns:{OLD_TAGS['coredns']}",
            },
        )

    def _node(self, host: Host) -> NodeState:
        labels = label_values(self.spec, host)["labels"]
        return NodeState(
            host.name,
            ready=True,
            addresses=host.addresses,
            kubelet_version=OLD,
            labels=labels,
            managed_labels=tuple(labels),
            taints=host.taints,
            managed_taints=tuple(f"{taint.key}:{taint.effect.value}" for taint in host.taints),
        )

    def _host(self, old: ResolvedSpec, host: Host) -> HostFacts:
        control_plane = host in self.spec.control_planes
        kubernetes = KubernetesState(
            ca_hash=CA,
            kubelet_config=True,
            admin_config=control_plane,
            api_manifest=control_plane,
            etcd_data=control_plane,
            kubelet_active=True,
            static_images=static_images(OLD, OLD_TAGS) if control_plane else {},
        )
        held = files(OLD)
        digest = prepare_values(old, host, held.images)["digest"]
        return replace(bare(host.name), owner=old.name, prepared=digest, bundle_files=held.files, images=held.images, kubernetes=kubernetes)

    def plan(self, settings: UpgradeSettings | None = None, copies: CopySettings | None = COPIES) -> Plan:
        """The plan from here."""
        bundled = BundledVersion(
            {host.name: files(NEW) for host in self.spec.hosts}, {host.name: staged(NEW) for host in self.spec.hosts}, NEW_TAGS
        )
        return plan_upgrade(self.spec, self.facts, self.state, bundled, copies, settings or UpgradeSettings(), network=DIGEST)

    def upgrade(self) -> None:
        """Every step of the plan, so that the cluster has the new version."""
        for step in self.plan().steps:
            self.do(step)

    def do(self, step: PlannedStep) -> None:
        """What hosts and API show after a step has succeeded."""
        name = step.subject
        match step.kind:
            case "stage-bundle":
                loaded = staged(NEW)
                self._change(
                    name, bundle_files=self.facts[name].bundle_files | loaded.files, images=self.facts[name].images | loaded.images
                )
            case "update-settings":
                self.state = replace(
                    self.state, **{{"cluster": "kubeadm"}.get(key, key): document for key, document in step.values.items()}
                )
            case "upgrade-control-plane":
                self._change(name, kubernetes=replace(self.facts[name].kubernetes, static_images=static_images(NEW, NEW_TAGS)))
                if step.values["seed"]:
                    self.state = replace(self.state, kubeadm={**self.state.kubeadm, "kubernetesVersion": NEW})
                if all(self.facts[host.name].kubernetes.static_images == static_images(NEW, NEW_TAGS) for host in self.spec.control_planes):
                    addons = {"kube-proxy": f"x/kube-proxy:{NEW}", "coredns": f"x/coredns:{NEW_TAGS['coredns']}"}
                    self.state = replace(self.state, component_images=addons)
            case "drain-node":
                self._change_node(name, unschedulable=True, drain_unfinished=True)
            case "upgrade-node":
                self._change(name, prepared=step.values["prepare"]["digest"])
            case "upgrade-kubelet":
                self._change(name, bundle_files=self.facts[name].bundle_files | files(NEW).files)
                self._change_node(name, kubelet_version=NEW)
            case "uncordon-node":
                self._change_node(name, unschedulable=False, drain_unfinished=False)
            case _:
                assert step.kind in {"save-copy", "publish-kubeconfig", "wait-addons", "verify-network", "install-cni", "wait-network"}

    def _change(self, name: str, **changes: object) -> None:
        self.facts[name] = replace(self.facts[name], **changes)  # type: ignore[arg-type]

    def _change_node(self, name: str, **changes: object) -> None:
        nodes = tuple(replace(node, **changes) if node.name == name else node for node in self.state.nodes)  # type: ignore[arg-type]
        self.state = replace(self.state, nodes=nodes)


def kinds(plan: Plan, subject: str) -> list[str]:
    """The kinds of the steps on a subject."""
    return [step.kind for step in plan.steps_on(subject)]


@pytest.mark.parametrize(("control_planes", "workers", "at_once"), [(1, 2, 1), (3, 5, 2)])
def test_the_edges_of_an_upgrade_are_the_agreed_ones(control_planes: int, workers: int, at_once: int) -> None:
    """SIXSTACK_WRITE_GOLDEN=1 writes the text after a meant change."""
    plan = Simulated(cluster_of(control_planes, workers)).plan(UpgradeSettings(max_unavailable=at_once))
    golden = Path(GOLDEN, f"upgrade-{control_planes}-{workers}.txt")
    if os.environ.get("SIXSTACK_WRITE_GOLDEN"):
        golden.write_text(edges(plan), encoding="utf-8")
    assert edges(plan) == golden.read_text(encoding="utf-8")
    assert all(step.reason and json.dumps(step.values) is not None for step in plan.steps)


def test_nothing_restarts_before_every_copy_is_stored_and_every_host_has_the_images() -> None:
    """A failed copy or a full disk stops the upgrade while the cluster is as it was."""
    plan = Simulated(cluster_of(2, 2)).plan()
    ready = [step.id for step in plan.steps if step.kind in {"save-copy", "stage-bundle"}]
    assert len(ready) == 2 + 4
    for failing in ready:
        started = run_in_virtual_time(plan, {}, {failing}).starts
        assert {plan_step.partition("/")[0] for plan_step in started} == {"save-copy", "stage-bundle"}


def test_control_planes_are_upgraded_one_by_one_and_before_every_kubelet() -> None:
    """A kubelet must not be newer than any API server."""
    plan = Simulated(cluster_of(3, 1)).plan()
    times = run_in_virtual_time(plan, dict.fromkeys({step.kind for step in plan.steps}, 1.0))
    spans = [(times.starts[step.id], times.ends[step.id]) for step in plan.steps if step.kind == "upgrade-control-plane"]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert [step.values["seed"] for step in plan.steps if step.kind == "upgrade-control-plane"] == [True, False, False]
    assert min(times.starts[step.id] for step in plan.steps if step.kind == "upgrade-kubelet") >= spans[-1][1]


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
def test_never_more_workers_than_allowed_are_unavailable(at_once: int) -> None:
    """From the begin of a drain to the end of uncordon; control planes are always alone."""
    plan = Simulated(cluster_of(2, 7)).plan(UpgradeSettings(max_unavailable=at_once))
    seconds = {f"{kind}/worker-{number}": float(number * 3 % 5 + 1) for kind in ("drain-node", "upgrade-node") for number in range(8)}
    times = run_in_virtual_time(plan, {**seconds, "upgrade-kubelet": 1.0, "uncordon-node": 0.5})
    spans = {
        step.subject: (times.starts[step.id], times.ends[f"uncordon-node/{step.subject}"])
        for step in plan.steps
        if step.kind == "drain-node"
    }
    for host, (begin, _) in spans.items():
        at_begin = {other for other, (start, end) in spans.items() if start <= begin < end}
        assert len(at_begin) <= (1 if host.startswith("cp") else at_once)
    assert max(len({o for o, (s, e) in spans.items() if s <= begin < e}) for begin, _ in spans.values()) == min(at_once, 7)


def test_the_first_failing_host_stops_the_upgrade() -> None:
    """Later batches are not begun, whatever fails; hosts of the same batch end their own steps."""
    plan = Simulated(cluster_of(1, 4)).plan(UpgradeSettings(max_unavailable=2))
    for kind in ("drain-node", "upgrade-node", "upgrade-kubelet", "uncordon-node"):
        started = run_in_virtual_time(plan, {}, {f"{kind}/worker-1"}).starts
        assert not any(step.endswith(("/worker-3", "/worker-4")) for step in started if not step.startswith("stage-bundle"))
        assert "uncordon-node/worker-2" in started
        assert "verify-network/cluster" not in started
    failed = run_in_virtual_time(plan, {}, {"upgrade-control-plane/cp-1"}).starts
    assert not any(step.startswith("drain-node") for step in failed)


@pytest.mark.parametrize(("control_planes", "workers", "at_once"), [(1, 2, 1), (3, 4, 2)])
def test_a_run_that_stops_anywhere_is_continued_there(control_planes: int, workers: int, at_once: int) -> None:
    """After each step of the plan, a new plan has exactly the steps that are left, and leaves finished hosts alone; at the end it is empty."""
    settings = UpgradeSettings(max_unavailable=at_once)
    simulated = Simulated(cluster_of(control_planes, workers))
    whole = simulated.plan(settings)
    done: list[PlannedStep] = []
    for step in whole.steps:
        left = simulated.plan(settings)
        finished = {each.subject for each in done if each.kind == "uncordon-node"}
        assert not finished & {each.subject for each in left.steps}, "a finished host is touched again"
        durable = {"stage-bundle", "update-settings", "upgrade-control-plane", "uncordon-node"}
        assert not {each.id for each in done if each.kind in durable} & {each.id for each in left.steps}
        begun = {each.subject for each in done if each.kind == "upgrade-kubelet"} - finished
        for host in begun:
            assert kinds(left, host) == ["uncordon-node"]
        simulated.do(step)
        done.append(step)
    assert simulated.plan(settings).empty
    assert simulated.plan(settings).notes == ()


def test_a_node_that_its_owner_cordoned_stays_cordoned() -> None:
    """A note says so; a node that a stopped upgrade left cordoned is uncordoned."""
    simulated = Simulated(cluster_of(1, 2))
    simulated.upgrade()
    simulated._change_node("worker-1", unschedulable=True)
    assert simulated.plan().empty
    assert simulated.plan().notes == ("node worker-1 is cordoned and stays cordoned",)
    simulated._change_node("worker-1", unschedulable=True, drain_unfinished=True)
    assert [step.id for step in simulated.plan().steps if step.kind != "verify-network"] == ["uncordon-node/worker-1"]


def test_another_version_of_the_pod_network_works_before_the_first_node_is_drained() -> None:
    """It is applied when all API servers are new, and its images are on every host by then. When it does not become ready, no node is drained."""
    simulated = Simulated(cluster_of(2, 2))
    simulated.state = replace(simulated.state, cni_digest="of the older documents")
    plan = simulated.plan()
    times = run_in_virtual_time(plan, dict.fromkeys({step.kind for step in plan.steps}, 1.0))
    assert times.starts["install-cni/cluster"] >= max(times.ends[f"upgrade-control-plane/cp-{number}"] for number in (1, 2))
    assert times.starts["install-cni/cluster"] >= max(end for step, end in times.ends.items() if step.startswith("stage-bundle"))
    for failing in ("install-cni/cluster", "wait-network/cluster"):
        assert not any(step.startswith("drain-node") for step in run_in_virtual_time(plan, {}, {failing}).starts)


def test_changes_of_the_file_that_an_upgrade_does_not_apply_are_noted() -> None:
    """The arguments of the components become effective with the new version. Names of the certificate and labels do not."""
    simulated = Simulated(cluster_of(1, 1))
    assert simulated.plan().notes == ()
    control_plane = simulated.spec.control_plane.model_copy(update={"extra_sans": ("api.example.org",)})
    kubeadm = simulated.spec.kubeadm.model_copy(update={"extra_args": {"apiserver": {"v": "4"}}, "kubelet": {"maxPods": 99}})
    hosts = tuple(host.model_copy(update={"labels": {"rack": "a"}}) for host in simulated.spec.hosts)
    simulated.spec = simulated.spec.model_copy(update={"control_plane": control_plane, "kubeadm": kubeadm, "hosts": hosts})
    plan = simulated.plan()
    (settings,) = [step for step in plan.steps if step.kind == "update-settings"]
    assert settings.reason is not None
    assert "kubelet.maxPods" in settings.reason
    certificate, *labels = plan.notes
    assert "api.example.org" in certificate
    assert [note.partition(":")[0] for note in labels] == ["cp-1", "worker-1"]
    assert all("labels/rack" in note for note in labels)


@pytest.mark.parametrize(
    ("stale", "reason"),
    [
        ({"kube-proxy": f"x/kube-proxy:{OLD}"}, f"kube-proxy has {OLD}"),
        ({"coredns": "x/coredns:v1.13.1"}, "CoreDNS has v1.13.1"),
        ({"coredns": "x/coredns:v1.99.0"}, None),  # a newer one is the owner's
        ({"coredns": ""}, None),
    ],
)
def test_what_kubeadm_upgrades_last_is_looked_at_too(stale: dict[str, str], reason: str | None) -> None:
    """`kubeadm upgrade` may have been interrupted after the static pods: the last control plane runs it again."""
    simulated = Simulated(cluster_of(2, 1))
    simulated.upgrade()
    simulated.state = replace(simulated.state, component_images={**simulated.state.component_images, **stale})
    step = simulated.plan().step("upgrade-control-plane", "cp-2")
    assert (step and step.reason) == reason


def test_a_version_of_etcd_that_the_owner_chose_stays() -> None:
    """`imageTag` in kubeadm's settings; without it, an older etcd is a reason."""
    simulated = Simulated(cluster_of(1, 0))
    simulated.upgrade()
    simulated._change("cp-1", kubernetes=replace(simulated.facts["cp-1"].kubernetes, static_images=static_images(NEW, OLD_TAGS)))
    (step,) = [step for step in simulated.plan().steps if step.kind == "upgrade-control-plane"]
    assert step.reason == "etcd has 3.6.6-0"
    simulated.state = replace(simulated.state, kubeadm={**simulated.state.kubeadm, "etcd": {"local": {"imageTag": "3.6.6-0"}}})
    assert simulated.plan().step("upgrade-control-plane", "cp-1") is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prepared": "other"}, "prepared for another version"),
        ({"bundle_files": frozenset({f"kubeadm {NEW}", f"kubelet {NEW}"})}, "1 file(s) of the bundle are missing"),
        ({"kubernetes": KubernetesState(kubelet_config=True, replaced=("containerd",))}, "containerd still run"),
    ],
)
def test_a_host_whose_kubelet_has_the_version_may_still_be_unfinished(change: dict[str, object], reason: str) -> None:
    """Other files, a program that runs from a replaced file, other settings."""
    simulated = Simulated(cluster_of(1, 1))
    simulated.upgrade()
    simulated._change("worker-1", **change)
    step = simulated.plan().step("upgrade-node", "worker-1")
    assert step is not None
    assert reason in step.reason
    assert kinds(simulated.plan(), "worker-1")[-4:] == ["drain-node", "upgrade-node", "upgrade-kubelet", "uncordon-node"]


def test_without_a_copy_a_note_says_so() -> None:
    """Only while etcd is going to be upgraded."""
    simulated = Simulated(cluster_of(1, 1))
    assert "without a copy" in simulated.plan(copies=None).notes[0]
    simulated.upgrade()
    assert simulated.plan(copies=None).notes == ()


def test_an_interrupted_control_plane_is_finished_before_anything_is_planned() -> None:
    """Its API server may not run. A missing manifest of a host without an unfinished upgrade is not touched."""
    simulated = Simulated(cluster_of(2, 1))
    assert interrupted_control_planes(simulated.spec, simulated.facts) == ()
    images = {name: image for name, image in static_images(OLD, OLD_TAGS).items() if name != "etcd"}
    without_etcd = replace(simulated.facts["cp-2"].kubernetes, static_images=images)
    simulated._change("cp-2", kubernetes=without_etcd)
    assert interrupted_control_planes(simulated.spec, simulated.facts) == ()
    for code in (None, 1, 143):
        simulated._change("cp-2", steps=(StepState("upgrade-control-plane", 1, running=False, exit_code=code),))
        (host,) = interrupted_control_planes(simulated.spec, simulated.facts)
        assert [(step.id, step.values["seed"]) for step in plan_resume(simulated.spec, [host]).steps] == [
            ("upgrade-control-plane/cp-2", False)
        ]
    simulated._change("cp-2", steps=(StepState("upgrade-control-plane", 1, running=False, exit_code=0),))
    assert interrupted_control_planes(simulated.spec, simulated.facts) == ()
