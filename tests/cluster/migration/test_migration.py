"""Migration help: every action in order, with the values of both files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.facts.cluster_state import ClusterState
from cluster.file.reader import read_document, read_text
from cluster.migration import migration
from cluster.plan.existing import ExistingCluster, observed_cluster, specified_cluster
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.errors import ImmutableChange
from cluster.vocabulary.families import Family
from cluster.vocabulary.migration import Migration
from cluster.vocabulary.spec import ClusterSpec, Cni
from tests.cluster.kubeadm.test_kubeadm_accepts import document

EXAMPLES = Path(__file__).parents[3] / "deployments/examples"
GOLDEN = Path(__file__).parent / "golden"
POD4, POD6 = {"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}
SERVICE4, SERVICE6 = "10.96.0.0/16", "fd44:0:0:ffff::/112"


def example(name: str) -> ClusterSpec:
    """A file of deployments/examples."""
    spec = read_text((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")).spec
    assert spec is not None
    return spec


def cluster(*families: str, **network: Any) -> ClusterSpec:
    """A cluster of two hosts in the file's shortest form; addresses are left to the hosts."""
    both = len(families) > 1
    file: dict[str, Any] = {
        "name": "demo",
        "stack": "dual-stack" if both else families[0],
        "primary_family": families[0],
        "hosts": [
            {"name": name, "role": role, "ssh": {"address": f"ssh-{name}.example.org", "host_key": "trust-on-first-use"}}
            for name, role in (("a", "control-plane"), ("b", "worker"))
        ],
        "network": {
            "pods": [POD4 if family == "ipv4" else POD6 for family in families],
            "services": [SERVICE4 if family == "ipv4" else SERVICE6 for family in families],
            **network,
        },
    }
    reading = read_document(file)
    assert reading.spec is not None, reading.problems
    return reading.spec


def wanted(was: ClusterSpec, now: ClusterSpec) -> Migration:
    """The help for a change that needs one."""
    found = migration(was, now)
    assert found is not None
    return found


def place(found: Migration, words: str) -> int:
    """The position of the one action with these words."""
    (position,) = [number for number, action in enumerate(found.actions) if words in action.what]
    return position


@pytest.mark.parametrize(
    ("was", "now"),
    [("ipv4", "dual-stack"), ("dual-stack", "ipv4"), ("ipv6", "dual-stack-ipv6-first"), ("dual-stack", "dual-stack-ipv6-first")],
)
def test_the_help_between_two_examples(was: str, now: str) -> None:
    """All of it, as `sixstack check NOW --was WAS` prints it; delete a golden file to write it again."""
    text, golden = f"{wanted(example(was), example(now))}\n", GOLDEN / f"{was}-to-{now}.txt"
    if not golden.exists():
        golden.write_text(text, encoding="utf-8")
        pytest.fail(f"{golden.name} was missing and was written: review and commit it")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["ipv4", "dual-stack", "dual-stack-ipv6-first", "ipv6"])
def test_the_same_cluster_needs_no_help(name: str) -> None:
    """Nor one that differs in hosts alone."""
    spec = example(name)
    assert migration(spec, spec) is None
    assert migration(spec, spec.model_copy(update={"hosts": spec.hosts[:1]})) is None


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (("ipv4",), ("ipv6",)),
        (("ipv6",), ("ipv4",)),
        (("ipv4",), ("ipv6", "ipv4")),
        (("ipv6",), ("ipv4", "ipv6")),
        (("ipv4", "ipv6"), ("ipv6", "ipv4")),
        (("ipv4", "ipv6"), ("ipv6",)),
    ],
)
def test_another_primary_family_means_another_cluster(was: tuple[str, ...], now: tuple[str, ...]) -> None:
    """The verdict has the reason, and the other order of families if that can be reached in place."""
    found = wanted(cluster(*was), cluster(*now))
    assert not found.in_place
    assert f"the primary family would change from {was[0]} to {now[0]}" in found.verdict
    assert (f"`primary_family: {was[0]}` can be reached in place" in found.verdict) is (len(was) == 1 and len(now) == 2)
    assert any("sixstack create" in action.what for action in found.actions)
    assert any("sixstack delete" in action.what for action in found.actions)


def test_another_primary_service_range_means_another_cluster() -> None:
    """A Service keeps its address for life."""
    found = wanted(cluster("ipv4"), cluster("ipv4", services=["10.97.0.0/16"]))
    assert not found.in_place
    assert "10.97.0.0/16" in found.verdict


def test_a_second_family_comes_node_by_node() -> None:
    """Arguments before nodes, nodes before the pod network, Services last; no Node is asked to change the ranges it has."""
    found = wanted(cluster("ipv4"), cluster("ipv4", "ipv6"))
    assert found.in_place
    order = [
        "forwarding",
        "ConfigMap: podSubnet",
        "certificate",
        "API server's arguments: --service-cluster-ip-range=10.96.0.0/16,fd44:0:0:ffff::/112",
        "--cluster-cidr=10.244.0.0/16,fd44::/56",
        "--node-ip",
        "kubectl delete node",
        "kube-proxy's configuration: clusterCIDR: 10.244.0.0/16,fd44::/56",
        "sixstack create with the new file: settings of the hosts, flannel with 10.244.0.0/16, fd44::/56, labels",
        "every Deployment",
        "ipFamilyPolicy: PreferDualStack",
    ]
    places = [place(found, words) for words in order]
    assert places == sorted(places)
    nodes = found.actions[place(found, "kubectl delete node")]
    assert nodes.where == ("b", "a")  # the control plane last
    assert "drained" in nodes.restarts
    assert "b <its ipv6 address>" in found.actions[place(found, "forwarding")].where


def test_a_family_that_goes_takes_all_nodes_at_once() -> None:
    """The controller manager does not start while a Node has a range of the removed family; Services change first."""
    found = wanted(cluster("ipv6", "ipv4"), cluster("ipv6"))
    assert found.in_place
    assert "interruption of the whole cluster" in found.verdict
    assert place(found, "ipFamilyPolicy: SingleStack") < place(found, "API server's arguments") < place(found, "create a ServiceCIDR")
    assert "a second range of ipv4" in found.actions[place(found, "all nodes together")].why


def test_other_pod_ranges_take_all_nodes_at_once_unless_they_hold_the_old_ones() -> None:
    """A wider range around the old one leaves nodes as they are."""
    moved = wanted(cluster("ipv4"), cluster("ipv4", pods=[{"cidr": "10.200.0.0/16"}]))
    assert "outside of 10.200.0.0/16" in moved.actions[place(moved, "all nodes together")].why
    wider = wanted(cluster("ipv4"), cluster("ipv4", pods=[{"cidr": "10.244.0.0/15"}]))
    assert wider.in_place
    assert not [action for action in wider.actions if "delete node" in action.what]
    assert "--cluster-cidr=10.244.0.0/15" in wider.actions[place(wider, "controller manager's arguments")].what


def test_another_node_mask_is_for_new_nodes() -> None:
    """One argument of the controller manager; nothing else runs differently."""
    found = wanted(cluster("ipv4"), cluster("ipv4", pods=[{**POD4, "node_mask": 25}]))
    assert "--node-cidr-mask-size-ipv4=25" in found.actions[place(found, "controller manager's arguments")].what
    assert not [action for action in found.actions if "delete node" in action.what]


def test_a_pod_network_of_the_owners_is_left_to_the_owner() -> None:
    """Calico's pool of a removed range is in the list: applying other pools does not remove it."""
    was, now = cluster("ipv4", "ipv6"), cluster("ipv4")
    owners = wanted(was, now.model_copy(update={"cni": Cni(kind=CniKind.NONE)}))
    assert place(owners, "your pod network") < place(owners, "sixstack create")
    calico = wanted(was, now.model_copy(update={"cni": Cni(kind=CniKind.CALICO)}))
    assert place(calico, "delete Calico's IPPool of fd44::/56") < place(calico, "calico with 10.244.0.0/16")


def test_another_second_service_range_goes_by_way_of_one_range() -> None:
    """ServiceCIDR `kubernetes` grows and never changes: the API server starts with one range, then with the new second one."""
    found = wanted(cluster("ipv4", "ipv6"), cluster("ipv4", "ipv6", services=[SERVICE4, "fd45:0:0:ffff::/112"]))
    assert found.in_place
    arguments = [action.what for action in found.actions if "API server's arguments" in action.what]
    assert [text.rpartition("=")[2] for text in arguments] == ["10.96.0.0/16", "10.96.0.0/16,fd45:0:0:ffff::/112"]
    assert place(found, "ipFamilyPolicy: SingleStack") < place(found, "create a ServiceCIDR") < place(found, "PreferDualStack")
    assert not [action for action in found.actions if "delete node" in action.what]


def test_every_action_has_all_its_fields() -> None:
    """As JSON too, numbered from 1."""
    told = wanted(cluster("ipv4"), cluster("ipv4", "ipv6")).as_dict()
    assert [action["order"] for action in told["actions"]] == list(range(1, len(told["actions"]) + 1))
    for action in told["actions"]:
        assert all(action[key] for key in ("what", "where", "restarts", "why", "source"))
        assert action["source"].startswith("https://")
    assert json.loads(json.dumps(told)) == told


def test_a_cluster_as_found_is_written_like_a_file() -> None:
    """Families, ranges, masks and addresses of the running cluster, put in the place of the file's."""
    was, now = example("ipv4"), example("dual-stack")
    held = specified_cluster(was)
    assert migration(held.as_spec(now), now) == migration(was, now)
    assert ExistingCluster("demo").as_spec(now) is now
    assert observed_cluster(now, {}, ClusterState(kubeadm={"networking": {"serviceSubnet": "10.96.0.0/16"}})).families == (Family.IPV4,)


def test_the_refusal_carries_the_help() -> None:
    """In its text, for run states and logs, and as data."""
    found = wanted(cluster("ipv4"), cluster("ipv4", "ipv6"))
    assert str(found) in str(ImmutableChange((), found))
    assert ImmutableChange((), None).migration is None


def test_any_two_accepted_files_can_be_compared() -> None:
    """No traceback, the help's text has no address that stands for an unknown one, and a file compared with itself needs no help."""
    specs = [spec for seed in range(120) if (spec := read_document(document(seed)).spec) is not None]
    assert len(specs) > 40
    for number, was in enumerate(specs):
        assert migration(was, was) is None
        for now in (specs[(number + step) % len(specs)] for step in (1, 7, 19)):
            bare = now.model_copy(update={"hosts": tuple(host.model_copy(update={"addresses": ()}) for host in now.hosts)})
            for found in (migration(was, now), migration(was, bare), migration(bare, was)):
                assert found is None or not {"0.0.0.0", "=::", " ::"} & set(str(found).split())
