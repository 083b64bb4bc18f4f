"""Two cluster files side by side: refused with reasons and help, or the steps of a run, and nothing for equal files."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cluster.file.reader import read_document
from cluster.migration.comparison import Comparison, compare
from cluster.vocabulary.spec import ClusterSpec
from tests.cluster.kubeadm.test_kubeadm_accepts import document
from tests.cluster.plan.test_immutable import DOCUMENT

BASE: dict[str, Any] = {
    **DOCUMENT,
    "hosts": [{**host, "ssh": {**host["ssh"], "host_key": "trust-on-first-use"}} for host in DOCUMENT["hosts"]],
}


def read(changes: dict[str, Any]) -> ClusterSpec:
    """The cluster file with other top-level fields."""
    reading = read_document({**copy.deepcopy(BASE), **changes})
    assert reading.spec is not None, reading.problems
    return reading.spec


def steps(found: Comparison) -> set[tuple[str, str]]:
    """The steps of the plan, with their hosts."""
    assert found.plan is not None, found.problems
    return {(step.kind, step.subject) for step in found.plan.steps}


def hosts(**changes: Any) -> list[dict[str, Any]]:
    """The hosts, with other fields of the worker."""
    first, second = copy.deepcopy(BASE["hosts"])
    return [first, {**second, **changes}]


NEW_HOST = {"name": "c", "role": "worker", "ssh": {"address": "198.18.0.13", "host_key": "trust-on-first-use"}}


@pytest.mark.parametrize(
    ("changes", "planned"),
    [
        ({}, set()),
        ({"audit": "elsewhere", "bundle": "other"}, set()),
        ({"hosts": hosts(labels={"example.org/rack": "7"})}, {("label-node", "b")}),
        ({"hosts": hosts(taints=[{"key": "busy", "effect": "NoSchedule"}])}, {("label-node", "b")}),
        (
            {"hosts": [*hosts(), NEW_HOST]},
            {
                *((kind, "c") for kind in ("prepare-host", "load-bundle", "join-worker", "label-node", "wait-ready")),
                *((kind, "cluster") for kind in ("check-preflight", "wait-dns", "verify-network")),
            },
        ),
        (
            {"proxy": {"http": "http://proxy.example.org:3128"}},
            {
                *((kind, host) for kind in ("prepare-host", "load-bundle") for host in ("a", "b")),
                ("verify-network", "cluster"),
            },
        ),
        ({"cni": {"mtu": 1400}}, {(kind, "cluster") for kind in ("install-cni", "wait-network", "wait-dns", "verify-network")}),
    ],
    ids=["equal", "blocks", "label", "taint", "host", "proxy", "mtu"],
)
def test_a_change_that_create_cluster_makes_is_planned(changes: dict[str, Any], planned: set[tuple[str, str]]) -> None:
    """What a run would do, and no more: hosts that stay as they are have no step."""
    assert steps(compare(read({}), read(changes))) == planned


def test_a_host_that_leaves_the_file_is_noted_and_kept() -> None:
    """As a run says of it."""
    found = compare(read({}), read({"hosts": hosts()[:1]}))
    assert found.plan is not None
    assert steps(found) == set()
    assert any(note.startswith("node b ") for note in found.plan.notes)


def test_what_a_run_does_not_apply_is_noted() -> None:
    """Extra arguments and names of the certificate of a control plane that runs."""
    found = compare(
        read({}), read({"kubeadm": {"extra_args": {"apiserver": {"v": "4"}}}, "control_plane": {"extra_sans": ["x.example.org"]}})
    )
    assert found.plan is not None
    assert [note for note in found.plan.notes if "x.example.org" in note]
    assert [note for note in found.plan.notes if "extra_args.apiserver" in note]


def test_another_version_is_refused_as_a_run_refuses_it() -> None:
    """create-cluster does not upgrade."""
    found = compare(read({}), read({"kubernetes_version": "1.36.4"}))
    assert [(problem.code, problem.path) for problem in found.problems] == [("upgrade-needed", "kubernetes_version")]


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"name": "other"}, "name"),
        ({"control_plane": {"endpoint": "api.example.org"}}, "control_plane/endpoint"),
        ({"cni": {"kind": "none"}}, "cni/kind"),
        ({"hosts": hosts(addresses=["198.18.0.99", "fd66::99"])}, "hosts/b/addresses"),
        ({"hosts": hosts(name="c")}, "hosts/c/name"),
    ],
)
def test_a_change_that_cannot_be_is_refused_as_a_run_refuses_it(changes: dict[str, Any], at: str) -> None:
    """The code and path of immutable-field; no help where neither families nor ranges change."""
    found = compare(read({}), read(changes))
    assert [(problem.code, problem.path) for problem in found.problems] == [("immutable-field", at)]
    assert found.plan is None
    assert found.migration is None


def test_another_control_plane_host_is_refused() -> None:
    """The one that the cluster has would be left, and a second cluster be made."""
    first, second = hosts()
    found = compare(read({}), read({"hosts": [{**NEW_HOST, "role": "control-plane"}, second]}))
    assert "hosts/a" in {problem.path for problem in found.problems}
    assert first["name"] == "a"


def test_a_change_of_ranges_comes_with_help() -> None:
    """All of it at once: the problems, and what the change asks for."""
    pods = [{"cidr": "10.200.0.0/16"}, BASE["network"]["pods"][1]]
    found = compare(read({}), read({"network": {**BASE["network"], "pods": pods, "dns_domain": "k8s.example"}}))
    assert {problem.path for problem in found.problems} == {"network/pods", "network/dns_domain"}
    assert found.migration is not None


@pytest.mark.parametrize("left_out", [(True, False), (False, True), (True, True)], ids=["old", "new", "both"])
def test_addresses_that_a_file_leaves_to_the_hosts_are_no_change(left_out: tuple[bool, bool]) -> None:
    """In the old file, in the new one, in both; with a proxy, whose exceptions name them."""
    proxy = {"proxy": {"http": "http://proxy.example.org:3128"}}
    bare = [{key: value for key, value in host.items() if key != "addresses"} for host in BASE["hosts"]]
    was, now = ({**proxy, "hosts": bare} if without else proxy for without in left_out)
    assert steps(compare(read(was), read(now))) == set()


def test_any_two_accepted_files_can_be_compared() -> None:
    """No traceback whatever changed; equal files: no problem, no step; and either there are problems or there is a plan."""
    specs = [spec for seed in range(150) if (spec := read_document(document(seed)).spec) is not None]
    assert len(specs) > 50
    for number, was in enumerate(specs):
        same = compare(was, was)
        assert (same.problems, same.migration, steps(same)) == ((), None, set())
        for other in (specs[(number + step) % len(specs)] for step in (1, 11)):
            for now in (other, other.model_copy(update={"name": was.name}), was.model_copy(update={"hosts": other.hosts})):
                found = compare(was, now)
                assert bool(found.problems) is (found.plan is None)
