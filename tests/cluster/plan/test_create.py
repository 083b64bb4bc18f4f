"""The plan: what is missing is planned, what holds is not, and what belongs to nobody here is only told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from cluster.facts.cluster_state import ClusterState, NodeState, ObjectDifference
from cluster.facts.host_facts import HostFacts, KubernetesState, StepState, UnitState
from cluster.plan.create import plan_create
from cluster.plan.graph import Plan
from cluster.plan.values import HostFiles, hosts_entries, prepare_values
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.remembered_hosts import encode_endpoint
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Taint, TaintEffect, Volume, VolumeType

CA = "sha256:" + "5a" * 32
BUNDLE = HostFiles(files=frozenset({"f1", "f2"}), images=frozenset({"registry.k8s.io/pause:3.10.2"}))
SPEC = ResolvedSpec.of(
    ClusterSpec.model_validate(
        {
            "name": "demo",
            "stack": "dual-stack",
            "hosts": [
                {"name": "a", "role": "control-plane", "ssh": {"address": "198.18.0.11"}, "addresses": ["198.18.0.11", "fd66::11"]},
                {
                    "name": "b",
                    "role": "worker",
                    "ssh": {"address": "198.18.0.12"},
                    "addresses": ["198.18.0.12", "fd66::12"],
                    "labels": {"rack": "x"},
                },
            ],
            "network": {"pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}], "services": ["10.96.0.0/16", "fd44:0:0:ffff::/112"]},
        }
    )
)
WANTED = {host.name: BUNDLE for host in SPEC.hosts}


def bare(name: str) -> HostFacts:
    """A host that was never touched."""
    return HostFacts(
        host=name,
        hostname=name,
        machine_id=name,
        product_uuid=None,
        os="Debian GNU/Linux 12",
        kernel=(6, 1, 0),
        architecture="amd64",
        cpus=2,
        memory=4 << 30,
        swap=(),
        clock_offset=timedelta(0),
        root=True,
        links=(),
        default_routes=(),
        nameservers=(),
    )


def prepared(name: str, spec: ResolvedSpec = SPEC) -> HostFacts:
    """A host on which prepare-host has ended well."""
    values = prepare_values(spec, spec.host(name), BUNDLE.images)
    digest, entries = values["digest"], hosts_entries(values)
    return replace(bare(name), owner=spec.name, prepared=digest, hosts_entries=entries, bundle_files=BUNDLE.files, images=BUNDLE.images)


def member(name: str, spec: ResolvedSpec = SPEC) -> HostFacts:
    """A host that is in the cluster, its kubelet running."""
    control_plane = spec.host(name) in spec.control_planes
    state = KubernetesState(ca_hash=CA, kubelet_config=True, admin_config=control_plane, api_manifest=control_plane, kubelet_active=True)
    return replace(prepared(name, spec), kubernetes=state)


def node(name: str, spec: ResolvedSpec = SPEC) -> NodeState:
    """A node as the plan wants it."""
    host = spec.host(name)
    return NodeState(
        name, ready=True, addresses=host.addresses, labels={"kubernetes.io/os": "linux", **node_labels(spec, host)}, taints=host.taints
    )


FACTS = {"a": member("a"), "b": member("b")}
STATE = ClusterState(
    nodes=(node("a"), node("b")),
    cni=CniKind.FLANNEL,
    coredns_ready=True,
    endpoints={host.name: encode_endpoint(host.ssh) for host in SPEC.hosts},
)


def names(plan: Plan) -> list[tuple[str, str]]:
    """Kind and subject of each planned step."""
    return [(step.kind, step.subject) for step in plan.steps]


def test_a_cluster_as_specified_needs_nothing() -> None:
    """The plan is empty, and so are its JSON steps and its notes."""
    plan = plan_create(SPEC, FACTS, WANTED, STATE)
    assert plan.empty
    assert plan.as_dict() == {"cluster": "demo", "steps": [], "notes": []}


def test_bare_hosts_get_every_step_once_in_an_order_that_works() -> None:
    """From nothing: prepare everywhere, init, CNI, join, label, wait, verify, publish; each with a reason and JSON-able values."""
    plan = plan_create(SPEC, {"a": bare("a"), "b": bare("b")}, WANTED, None)
    assert names(plan) == [
        ("prepare-host", "a"),
        ("prepare-host", "b"),
        ("check-preflight", "cluster"),
        ("load-bundle", "a"),
        ("load-bundle", "b"),
        ("init-control-plane", "a"),
        ("install-cni", "cluster"),
        ("publish-kubeconfig", "cluster"),
        ("join-worker", "b"),
        ("label-node", "a"),
        ("label-node", "b"),
        ("wait-ready", "a"),
        ("wait-ready", "b"),
        ("wait-dns", "cluster"),
        ("verify-network", "cluster"),
    ]
    assert all(step.reason and json.dumps(step.values) is not None for step in plan.steps)
    assert [row["subject"] for row in plan.table_rows()][:2] == ["a", "b"]


def test_a_prepared_host_is_not_prepared_again() -> None:
    """The record of the same settings, all files and all images are enough."""
    plan = plan_create(SPEC, {"a": prepared("a"), "b": bare("b")}, WANTED, None)
    assert plan.step("prepare-host", "a") is None
    assert plan.step("prepare-host", "b") is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prepared": None}, "not fully prepared"),
        ({"prepared": "0" * 64}, "other settings"),
        ({"bundle_files": frozenset({"f1"})}, "1 file(s) and 0 image(s)"),
        ({"images": frozenset[str]()}, "0 file(s) and 1 image(s)"),
        ({"changed_files": ("/etc/containerd/config.toml",)}, "changed on the host: files/etc/containerd/config.toml"),
        ({"hosts_entries": ()}, "files/etc/hosts"),
        ({"kernel_settings": {"net.ipv4.ip_forward": "0"}}, "sysctls/net.ipv4.ip_forward"),
        ({"units": {"containerd.service": UnitState(active=False, enabled=False)}}, "units/containerd.service"),
        ({"owner": None}, "no cluster"),
    ],
)
def test_what_a_host_lacks_is_the_reason_to_prepare_it(change: dict[str, object], reason: str) -> None:
    """Each thing missing on a member brings one prepare-host with that reason, and no other step of that host."""
    plan = plan_create(SPEC, {**FACTS, "b": replace(FACTS["b"], **change)}, WANTED, STATE)  # type: ignore[arg-type]
    step = plan.step("prepare-host", "b")
    assert step is not None
    assert reason in step.reason
    assert ("join-worker", "b") not in names(plan)


def test_a_setting_of_the_file_that_reaches_hosts_prepares_them_again() -> None:
    """A mirror in the file changes the digest of every host."""
    spec = SPEC.model_copy(update={"images": SPEC.images.model_copy(update={"mirrors": {"docker.io": ("https://m.example",)}})})
    assert [step for step in names(plan_create(spec, FACTS, WANTED, STATE)) if step[0] == "prepare-host"] == [
        ("prepare-host", "a"),
        ("prepare-host", "b"),
    ]


def test_an_authority_of_a_registry_prepares_hosts_again() -> None:
    """The certificate is part of the digest."""
    values = prepare_values(SPEC, SPEC.hosts[0])
    images = SPEC.images.model_copy(update={"ca": {"mirror.example.org": "-----BEGIN CERTIFICATE-----"}})
    assert prepare_values(SPEC.model_copy(update={"images": images}), SPEC.hosts[0])["digest"] != values["digest"]


def test_a_changed_file_of_a_component_prepares_hosts_again_and_its_content_is_in_no_step() -> None:
    """The plan has a digest. Volumes only matter on the control plane, where they are mounted."""

    def values(content: str, host: int = 0) -> dict[str, Any]:
        kubeadm = SPEC.kubeadm.model_copy(
            update={
                "files": {"policy.yaml": content},
                "extra_volumes": {
                    "apiserver": (
                        Volume(name="a", host_path="/srv/a"),
                        Volume(name="b", host_path="/b", path_type=VolumeType.FILE_OR_CREATE),
                    )
                },
            }
        )
        return prepare_values(SPEC.model_copy(update={"kubeadm": kubeadm}), SPEC.hosts[host])

    assert "rules" not in json.dumps(values("rules: []"))
    assert values("rules: []")["digest"] != values("rules: [{}]")["digest"]
    assert list(values("rules: []")["files"]) == ["/etc/kubernetes/sixstack/policy.yaml"]
    assert (values("x", 0)["volumes"], values("x", 1)["volumes"]) == ({"/srv/a": "-f"}, {})


def test_one_new_host_costs_the_steps_of_one_host() -> None:
    """A worker added to a healthy cluster: only its own prepare, join and label, and the looks at the whole."""
    plan = plan_create(SPEC, {"a": member("a"), "b": bare("b")}, WANTED, replace(STATE, nodes=(node("a"),)))
    assert names(plan) == [
        ("prepare-host", "b"),
        ("check-preflight", "cluster"),
        ("load-bundle", "b"),
        ("join-worker", "b"),
        ("label-node", "b"),
        ("wait-ready", "b"),
        ("wait-dns", "cluster"),
        ("verify-network", "cluster"),
    ]


def test_a_reset_worker_joins_again_though_its_node_is_still_there() -> None:
    """Facts of the host decide, not what the API server has not noticed yet."""
    plan = plan_create(SPEC, {"a": member("a"), "b": prepared("b")}, WANTED, STATE)
    step = plan.step("join-worker", "b")
    assert step is not None
    assert step.values["recreate"] is False


def test_a_worker_of_an_earlier_control_plane_joins_again() -> None:
    """Its certificate authority is not the control plane's."""
    old = replace(member("b"), kubernetes=replace(member("b").kubernetes, ca_hash="sha256:" + "00" * 32))
    step = plan_create(SPEC, {"a": member("a"), "b": old}, WANTED, STATE).step("join-worker", "b")
    assert step is not None
    assert "no longer exists" in step.reason
    assert step.values["recreate"] is True


def test_a_worker_of_a_lost_control_plane_joins_again() -> None:
    """The control plane's host was installed afresh: init there, and the worker that carries the old certificate authority joins again."""
    plan = plan_create(SPEC, {"a": bare("a"), "b": member("b")}, WANTED, None)
    assert plan.step("init-control-plane", "a") is not None
    assert plan.step("join-worker", "b") is not None


def test_a_silent_api_server_is_no_reason_to_join_again() -> None:
    """Hosts that are members stay so while nothing answers; a note says what is not known."""
    plan = plan_create(SPEC, FACTS, WANTED, None)
    assert not [step for step in names(plan) if step[0] in {"prepare-host", "init-control-plane", "join-worker"}]
    assert len(plan.notes) == 1
    assert "API server on a " in plan.notes[0]


def test_a_node_that_was_deleted_joins_again() -> None:
    """The API server answers and does not know the name."""
    step = plan_create(SPEC, FACTS, WANTED, replace(STATE, nodes=(node("a"),))).step("join-worker", "b")
    assert step is not None
    assert step.reason == "the cluster has no node of this name"
    assert step.values["recreate"] is True


def test_a_worker_whose_kubelet_is_stopped_is_started_and_not_reset() -> None:
    """Files and node exist: the join step does not start again."""
    stopped = replace(member("b"), kubernetes=replace(member("b").kubernetes, kubelet_active=False))
    step = plan_create(SPEC, {"a": member("a"), "b": stopped}, WANTED, STATE).step("join-worker", "b")
    assert step is not None
    assert step.values["recreate"] is False
    assert "kubelet" in step.reason


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (prepared("a"), "no control plane yet"),
        (replace(member("a"), steps=(StepState("init-control-plane", 1, False, 1),)), "did not finish"),
        (replace(member("a"), steps=(StepState("init-control-plane", 1, False, None),)), "did not finish"),
        (replace(prepared("a"), steps=(StepState("init-control-plane", 2, True, None),)), "attach"),
        (replace(member("a"), kubernetes=replace(member("a").kubernetes, admin_config=False)), "incomplete"),
        (replace(member("a"), kubernetes=replace(member("a").kubernetes, kubelet_active=False)), "kubelet is not running"),
    ],
)
def test_an_incomplete_control_plane_is_initialized_with_the_reason(facts: HostFacts, reason: str) -> None:
    """Nothing, a failed, interrupted or running init, a missing file, a stopped kubelet: each is planned with its reason."""
    step = plan_create(SPEC, {"a": facts, "b": prepared("b")}, WANTED, None).step("init-control-plane", "a")
    assert step is not None
    assert reason in step.reason


def test_kubeadm_checks_only_the_hosts_on_which_it_has_left_nothing() -> None:
    """A member is not checked, nor a host with an unfinished or running init or join: the first steps of these reset it, or wait for it."""
    running = StepState("join-worker", 1, True, None)
    begun = replace(prepared("b"), kubernetes=KubernetesState(private_keys=True))
    for facts, checked in (
        ({"a": bare("a"), "b": bare("b")}, {"a": "init", "b": "join"}),
        ({"a": member("a"), "b": prepared("b")}, {"b": "join"}),
        ({"a": bare("a")}, {"a": "init"}),
        ({"a": member("a"), "b": replace(prepared("b"), steps=(running,))}, None),
        ({"a": member("a"), "b": begun}, None),
        (FACTS, None),
    ):
        step = plan_create(SPEC, facts, WANTED, None).step("check-preflight")
        found = {name: values["command"] for name, values in step.values["hosts"].items()} if step is not None else None
        assert found == checked


def test_a_running_join_is_attached_to() -> None:
    """A detached step that goes on without us is planned as such."""
    running = replace(prepared("b"), steps=(StepState("join-worker", 1, True, None),))
    step = plan_create(SPEC, {"a": member("a"), "b": running}, WANTED, STATE).step("join-worker", "b")
    assert step is not None
    assert "attach" in step.reason


def test_labels_and_taints_converge_both_ways() -> None:
    """A missing label, one that we set and the file dropped, a missing taint, one dropped: each is named; others' stay unnamed."""
    taint = Taint(key="dedicated", value="x", effect=TaintEffect.NO_SCHEDULE)
    hosts = (SPEC.hosts[0], SPEC.hosts[1].model_copy(update={"taints": (taint,)}))
    labels = {key: value for key, value in node("b").labels.items() if key != "rack"}
    found = replace(
        node("b"),
        labels={**labels, "old": "1", "theirs": "1"},
        managed_labels=("old",),
        managed_taints=("gone:NoExecute",),
        taints=(Taint(key="theirs", value="", effect=TaintEffect.NO_EXECUTE),),
    )
    plan = plan_create(SPEC.model_copy(update={"hosts": hosts}), FACTS, WANTED, replace(STATE, nodes=(node("a"), found)))
    assert names(plan) == [("label-node", "b")]
    assert plan.steps[0].reason.endswith(" labels/rack, labels/old, taints/dedicated:NoSchedule, taints/gone:NoExecute")


def test_both_addresses_are_labels() -> None:
    """A node is found by either family."""
    assert set(node_labels(SPEC, SPEC.hosts[0])) == {"node.sixstack.io/ipv4", "node.sixstack.io/ipv6"}


def test_tkestack_labels_come_and_go_with_the_setting() -> None:
    """Switched on, every node that lacks them is labelled; switched off, those that we set are taken away."""
    on = SPEC.model_copy(update={"tkestack_labels": True})
    plan = plan_create(on, FACTS, WANTED, STATE)
    assert names(plan) == [("label-node", "a"), ("label-node", "b")]
    assert "platform.tkestack.io/machine-ipv6-till" in plan.steps[0].reason

    labelled = tuple(replace(node(name, on), managed_labels=tuple(node_labels(on, on.host(name)))) for name in ("a", "b"))
    held = replace(STATE, nodes=labelled)
    assert plan_create(on, FACTS, WANTED, held).empty
    plan = plan_create(SPEC, FACTS, WANTED, held)
    assert names(plan) == [("label-node", "a"), ("label-node", "b")]
    assert "platform.tkestack.io/machine-ip," in plan.steps[0].reason


def test_a_host_that_left_the_file_is_noted_and_kept() -> None:
    """A node that is not in the file is a note with its addresses, never a step."""
    other = NodeState("c", ready=True, addresses=(ip_address("198.18.0.13"),))
    plan = plan_create(SPEC, FACTS, WANTED, replace(STATE, nodes=(*STATE.nodes, other)))
    assert plan.empty
    assert len(plan.notes) == 1
    assert plan.notes[0].startswith("node c (198.18.0.13) ")


def test_a_lost_node_that_the_file_does_not_list_is_a_note_with_the_way_out() -> None:
    """The roll-out of a pod network waits for every node. A listed node that is not Ready has its own step."""
    lost = NodeState("old", ready=False, reason="Kubelet stopped posting node status.")
    state = ClusterState(nodes=(replace(node("a"), ready=False), lost))
    noted = "\n".join(plan_create(SPEC, FACTS, WANTED, state).notes)
    assert "node old is not Ready: Kubelet stopped posting node status." in noted
    assert "sixstack remove demo old --dead" in noted
    assert "node a is not Ready" not in noted


def test_an_unreachable_host_has_a_note_and_no_host_step() -> None:
    """Without facts nothing is planned on a host; the others go on."""
    plan = plan_create(SPEC, {"a": bare("a")}, WANTED, None)
    assert not [step for step in names(plan) if step[1] == "b" and step[0] not in {"label-node", "wait-ready"}]
    assert [note for note in plan.notes if note.startswith("b ")]


def test_without_a_pod_network_nothing_waits_for_readiness() -> None:
    """`cni: none` on a new cluster: no CNI, no wait, no network check; the note says what stays undone."""
    spec = SPEC.model_copy(update={"cni": SPEC.cni.model_copy(update={"kind": CniKind.NONE})})
    facts = {name: bare(name) for name in ("a", "b")}
    assert {step for step, _ in names(plan_create(spec, facts, WANTED, None))} == {
        "prepare-host",
        "load-bundle",
        "check-preflight",
        "init-control-plane",
        "join-worker",
        "label-node",
        "publish-kubeconfig",
    }
    held = {name: member(name, spec) for name in ("a", "b")}
    unready = ClusterState(nodes=(replace(node("a"), ready=False), replace(node("b"), ready=False)), endpoints=STATE.endpoints)
    plan = plan_create(spec, held, WANTED, unready)
    assert plan.empty
    assert len(plan.notes) == 1
    assert "NotReady" in plan.notes[0]


def test_a_pod_network_is_added_to_a_cluster_that_had_none() -> None:
    """From none to flannel: install, wait, verify."""
    plan = plan_create(SPEC, FACTS, WANTED, replace(STATE, cni=None, coredns_ready=False))
    assert names(plan) == [("install-cni", "cluster"), ("wait-network", "cluster"), ("wait-dns", "cluster"), ("verify-network", "cluster")]


def test_a_pod_network_with_other_settings_is_applied_again() -> None:
    """The digest on what was applied tells; without one to compare with, nothing is said of it."""
    held = replace(STATE, cni_digest="that of the applied documents")
    assert plan_create(SPEC, FACTS, WANTED, held, network="that of the applied documents").empty
    assert plan_create(SPEC, FACTS, WANTED, held).empty
    plan = plan_create(SPEC, FACTS, WANTED, held, network="another")
    assert names(plan) == [("install-cni", "cluster"), ("wait-network", "cluster"), ("wait-dns", "cluster"), ("verify-network", "cluster")]


def test_a_node_that_is_not_ready_is_waited_for() -> None:
    """The nodes are named."""
    plan = plan_create(SPEC, FACTS, WANTED, replace(STATE, nodes=(node("a"), replace(node("b"), ready=False))))
    step = plan.step("wait-ready", "b")
    assert step is not None


def test_a_lost_kubeconfig_block_is_published_again() -> None:
    """Only that."""
    assert names(plan_create(SPEC, FACTS, WANTED, STATE, kubeconfig_saved=False)) == [("publish-kubeconfig", "cluster")]


def test_a_node_that_an_interrupted_drain_left_cordoned_is_uncordoned() -> None:
    """The file lists its host. A node that its owner cordoned is a note, and stays cordoned."""

    def plan_with(*, drain_unfinished: bool) -> Plan:
        cordoned = replace(node("b"), unschedulable=True, drain_unfinished=drain_unfinished)
        return plan_create(SPEC, FACTS, WANTED, replace(STATE, nodes=(node("a"), cordoned)))

    left = plan_with(drain_unfinished=True)
    assert names(left) == [("label-node", "b")]
    assert left.steps[0].values["uncordon"] is True
    assert left.notes == ()
    own = plan_with(drain_unfinished=False)
    assert own.empty
    assert own.notes == ("node b is cordoned and stays cordoned",)


def test_another_ssh_endpoint_in_the_file_is_remembered() -> None:
    """The cluster is asked for it when the file does not list the host any more."""
    plan = plan_create(SPEC, FACTS, WANTED, replace(STATE, endpoints={**STATE.endpoints, "b": encode_endpoint(SPEC.hosts[0].ssh)}))
    assert names(plan) == [("label-node", "b")]
    assert plan.steps[0].values["endpoint"] == encode_endpoint(SPEC.hosts[1].ssh)


def test_a_changed_object_of_the_pod_network_is_applied_again() -> None:
    """The digest is still that of the file."""
    changed = ObjectDifference("ConfigMap kube-flannel/kube-flannel-cfg", "data.x", "1", "2")
    plan = plan_create(SPEC, FACTS, WANTED, replace(STATE, cni_digest="d", network_differences=(changed,)), network="d")
    step = plan.step("install-cni")
    assert step is not None
    assert step.reason == "changed in the API: ConfigMap kube-flannel/kube-flannel-cfg"


def test_swap_that_came_back_is_disabled_again() -> None:
    """Where the cluster file allows it; otherwise a rule refuses the host."""
    spec = SPEC.model_copy(update={"prepare": SPEC.prepare.model_copy(update={"swap_off": True})})
    facts = {"a": member("a", spec), "b": replace(member("b", spec), swap=("/dev/sdb",))}
    step = plan_create(spec, facts, WANTED, STATE).step("prepare-host", "b")
    assert step is not None
    assert step.reason == "changed on the host: swap"
