"""What an existing cluster cannot change is refused with the old and the new value."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.host_facts import HostFacts, KubernetesState
from cluster.kubeadm.documents import cluster_configuration
from cluster.plan.existing import observed_cluster
from cluster.plan.immutable import immutable_changes
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec

DOCUMENT: dict[str, Any] = {
    "name": "demo",
    "stack": "dual-stack",
    "hosts": [
        {"name": "a", "role": "control-plane", "ssh": {"address": "198.18.0.11"}, "addresses": ["198.18.0.11", "fd66::11"]},
        {"name": "b", "role": "worker", "ssh": {"address": "198.18.0.12"}, "addresses": ["198.18.0.12", "fd66::12"]},
    ],
    "network": {"pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}], "services": ["10.96.0.0/16", "fd44:0:0:ffff::/112"]},
}
SPEC = ClusterSpec.model_validate(DOCUMENT)


def member(name: str) -> HostFacts:
    """A host of the running cluster."""
    host = SPEC.host(name)
    control_plane = host in SPEC.control_planes
    kubernetes = KubernetesState(
        ca_hash="sha256:5a",
        kubelet_config=True,
        admin_config=control_plane,
        api_manifest=control_plane,
        kubelet_active=True,
        service_ranges=SPEC.service_ranges if control_plane else (),
        pod_ranges=SPEC.pod_ranges if control_plane else (),
        node_ips=host.addresses,
        dns_domain="cluster.local",
    )
    return HostFacts(
        name,
        name,
        name,
        None,
        "Debian",
        (6, 1, 0),
        "amd64",
        2,
        4 << 30,
        (),
        timedelta(0),
        True,
        (),
        (),
        (),
        owner="demo",
        kubernetes=kubernetes,
    )


FACTS = {"a": member("a"), "b": member("b")}
STATE = ClusterState(
    nodes=tuple(NodeState(host.name, ready=True, addresses=host.addresses) for host in SPEC.hosts),
    cni=CniKind.FLANNEL,
    kubeadm=cluster_configuration(ResolvedSpec.of(SPEC)),
)


def refused(spec: ClusterSpec, facts: dict[str, HostFacts], state: ClusterState | None) -> tuple[Problem, ...]:
    """What the file would change of the cluster that hosts and API show."""
    return immutable_changes(spec, observed_cluster(spec, facts, state))


def changed(*path: str | int, to: Any) -> ClusterSpec:
    """The cluster file with one field changed."""
    import copy

    document = copy.deepcopy(DOCUMENT)
    place: Any = document
    for step in path[:-1]:
        place = place.setdefault(step, {}) if isinstance(step, str) else place[step]
    place[path[-1]] = to
    return ClusterSpec.model_validate(document)


def test_the_same_file_changes_nothing() -> None:
    """No problem, whether the API answers or not, and none on hosts without a cluster."""
    assert refused(SPEC, FACTS, STATE) == ()
    assert refused(SPEC, FACTS, None) == ()
    assert refused(SPEC, {}, None) == ()


@pytest.mark.parametrize("state", [STATE, None], ids=["api", "files"])
@pytest.mark.parametrize(
    ("path", "to", "at"),
    [
        (("network", "pods", 0, "cidr"), "10.245.0.0/16", "network/pods"),
        (("network", "services", 1), "fd45:0:0:ffff::/112", "network/services"),
        (("network", "dns_domain"), "k8s.example", "network/dns_domain"),
        (("hosts", 1, "addresses"), ["198.18.0.99", "fd66::99"], "hosts/b/addresses"),
    ],
)
def test_a_changed_range_or_address_is_refused(state: ClusterState | None, path: tuple[str | int, ...], to: Any, at: str) -> None:
    """Pod and service ranges, DNS domain and node addresses; from kubeadm's ConfigMap, and from the files on the host when no API answers."""
    problems = refused(changed(*path, to=to), FACTS, state)
    assert [(problem.code, problem.path) for problem in problems] == [("immutable-field", at)]


@pytest.mark.parametrize(
    ("path", "to", "at"),
    [
        (("network", "pods", 1, "node_mask"), 65, "network/pods"),
        (("control_plane", "endpoint"), "api.example.org", "control_plane/endpoint"),
        (("cni", "kind"), "none", "cni/kind"),
        (("hosts", 1, "name"), "c", "hosts/c/name"),
    ],
)
def test_what_only_the_api_knows_is_refused_too(path: tuple[str | int, ...], to: Any, at: str) -> None:
    """Node mask, endpoint, taking the pod network away, another name for a node."""
    assert [problem.path for problem in refused(changed(*path, to=to), FACTS, STATE)] == [at]


@pytest.mark.parametrize(
    ("file", "cluster", "kubelets", "refused_with"),
    [
        ("1.36.4", "v1.36.3", ("v1.36.3", "v1.36.3"), ["upgrade-needed"]),
        ("1.36.3", "v1.36.3", ("v1.36.3", "v1.35.4"), ["upgrade-needed"]),  # in the middle of an upgrade
        ("1.36.3", "v1.35.4", ("v1.35.4", "v1.35.4"), ["upgrade-needed"]),
        ("1.36.3", "v1.36.3", ("v1.36.3", ""), []),  # a node that has not reported yet
        ("1.36.3", "v1.36.3", ("v1.36.3", "v1.36.3"), []),
    ],
)
def test_another_version_is_not_installed_without_an_upgrade(
    file: str, cluster: str, kubelets: tuple[str, str], refused_with: list[str]
) -> None:
    """create-cluster names the command; upgrade-cluster itself may change the version."""
    nodes = tuple(replace(node, kubelet_version=version) for node, version in zip(STATE.nodes, kubelets, strict=True))
    state = replace(STATE, nodes=nodes, kubeadm={**STATE.kubeadm, "kubernetesVersion": cluster})
    problems = refused(changed("kubernetes_version", to=file), FACTS, state)
    assert [problem.code for problem in problems] == refused_with
    assert all("sixstack upgrade" in problem.hint for problem in problems)
    assert immutable_changes(changed("kubernetes_version", to=file), observed_cluster(SPEC, FACTS, state), upgrades=True) == ()


@pytest.mark.parametrize("state", [STATE, None], ids=["api", "files"])
def test_the_port_of_the_api_server_cannot_change(state: ClusterState | None) -> None:
    """It is in the static pod on the control plane's disk, so the API need not answer. An older answer without it is not compared."""
    running = replace(FACTS["a"], kubernetes=replace(FACTS["a"].kubernetes, api_port=6443))
    spec = SPEC.model_copy(update={"control_plane": SPEC.control_plane.model_copy(update={"bind_port": 7443})})
    problems = refused(spec, {**FACTS, "a": running}, state)
    assert "control_plane/bind_port" in [problem.path for problem in problems]
    assert refused(SPEC, {**FACTS, "a": running}, state) == ()
    assert "control_plane/bind_port" not in [problem.path for problem in refused(spec, FACTS, state)]


def test_a_role_cannot_change() -> None:
    """A worker on disk that the file calls a control plane, and the other way round."""
    hosts = [{**DOCUMENT["hosts"][0], "role": "worker"}, {**DOCUMENT["hosts"][1], "role": "control-plane"}]
    paths = {problem.path for problem in refused(changed("hosts", to=hosts), FACTS, None)}
    assert {"hosts/a/role", "hosts/b/role"} <= paths


def test_another_stack_mode_is_one_problem_and_not_one_per_range() -> None:
    """Dual-stack to IPv4-only with the same IPv4 ranges: the stack mode is named, with what it was."""
    document = {
        **DOCUMENT,
        "stack": "ipv4",
        "hosts": [{**host, "addresses": host["addresses"][:1]} for host in DOCUMENT["hosts"]],
        "network": {"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"]},
    }
    problems = [p for p in refused(ClusterSpec.model_validate(document), FACTS, STATE) if not p.path.startswith("hosts/")]
    (problem,) = problems
    assert problem.path == "stack"
    assert "dual-stack" in problem.message
    assert "ipv4" in problem.message


def test_the_order_of_families_cannot_change() -> None:
    """IPv6 first instead of IPv4 first is a change of primary_family; the endpoint follows the first address."""
    document = {
        **DOCUMENT,
        "primary_family": "ipv6",
        "hosts": [{**host, "addresses": host["addresses"][::-1]} for host in DOCUMENT["hosts"]],
        "network": {key: values[::-1] for key, values in DOCUMENT["network"].items()},
    }
    paths = [problem.path for problem in refused(ClusterSpec.model_validate(document), FACTS, STATE)]
    assert paths == ["primary_family", "control_plane/endpoint", "hosts/a/addresses", "hosts/b/addresses"]


def test_a_pod_network_may_come_where_there_was_none() -> None:
    """none to flannel is allowed; a foreign plug-in in its place is refused by name."""
    assert refused(SPEC, FACTS, replace(STATE, cni=None)) == ()
    (problem,) = refused(SPEC, FACTS, replace(STATE, cni=CniKind.NONE, cni_detail="Calico (v3.31.0)"))
    assert problem.path == "cni/kind"
    assert "Calico (v3.31.0)" in problem.message
    assert refused(changed("cni", "kind", to="none"), FACTS, replace(STATE, cni=CniKind.NONE, cni_detail="Calico")) == ()


@pytest.mark.parametrize("kind", ["flannel", "manifests", "none"])
def test_a_pod_network_of_ours_cannot_become_another(kind: str) -> None:
    """Calico stays Calico: what it left on hosts would break the next one."""
    cni = {"kind": kind, **({"files": ["/a.yaml"]} if kind == "manifests" else {})}
    spec = ClusterSpec.model_validate({**DOCUMENT, "cni": cni})
    (problem,) = refused(spec, FACTS, replace(STATE, cni=CniKind.CALICO))
    assert problem.path == "cni/kind"
    assert "calico" in problem.message
    assert kind in problem.message


def test_blocks_of_a_pool_keep_their_size() -> None:
    """Nodes hold blocks already; the defaults count as sizes."""
    held = replace(STATE, cni=CniKind.CALICO, block_sizes={ip_network("10.244.0.0/16"): 26, ip_network("fd44::/56"): 122})
    spec = ClusterSpec.model_validate({**DOCUMENT, "cni": {"kind": "calico"}})
    assert refused(spec, FACTS, held) == ()
    spec = ClusterSpec.model_validate({**DOCUMENT, "cni": {"kind": "calico", "pools": {"ipv4": {"block_size": 24}}}})
    (problem,) = refused(spec, FACTS, held)
    assert problem.path == "cni/pools/ipv4/block_size"
    assert "/26" in problem.message


def test_another_clusters_host_is_not_compared() -> None:
    """Other rules refuse it; its ranges say nothing about this cluster."""
    foreign = replace(FACTS["a"], owner="other", kubernetes=replace(FACTS["a"].kubernetes, service_ranges=(ip_network("10.0.0.0/16"),)))
    assert refused(SPEC, {"a": foreign}, None) == ()


def test_a_known_node_under_another_name_is_found_by_either_address() -> None:
    """One shared address is enough."""
    state = replace(STATE, nodes=(NodeState("old", ready=True, addresses=(ip_address("fd66::12"),)),))
    assert [problem.path for problem in refused(SPEC, FACTS, state)] == ["hosts/b/name"]
