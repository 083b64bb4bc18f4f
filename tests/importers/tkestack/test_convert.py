"""The proposal's documents as cluster files, and all faults at once."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.file.reader import read_document
from importers.choices import Choices
from importers.sources import Source
from importers.tkestack.convert import FAULTS, import_tkestack
from tests.importers.tkestack.samples import (
    CASES,
    MASTER,
    PASSWORD,
    TRUSTING,
    WORKER,
    changed,
    dual_stack_cluster,
    encoded,
    faults,
    imported,
    ipv6_cluster,
    told,
    worker,
)


@pytest.mark.parametrize("case", CASES)
def test_the_proposals_documents_become_a_cluster_file_that_check_accepts(case: str) -> None:
    """With a login put in: no error, and one login for both machines."""
    result = imported(*CASES[case])
    assert faults(result) == {}
    reading = read_document(result.document)
    assert reading.spec is not None
    assert [host.role for host in reading.spec.hosts] == ["control-plane", "worker"]
    assert [(login.user, login.credential.password) for login in result.logins] == [("root", PASSWORD)]
    assert {host.ssh.credential for host in reading.spec.hosts} == {result.logins[0].block}


def test_the_dual_stack_sample() -> None:
    """IPv4 first as it is written, a node mask that holds more than one node, addresses left to be found, a warning of public ranges."""
    result = imported(*CASES["dual-stack"])
    ssh = {"user": "root", "credential": "cls-7q46p7mt-root", "host_key": "trust-on-first-use"}
    assert result.document == {
        "name": "cls-7q46p7mt",
        "kubernetes_version": "1.36.3",
        "stack": "dual-stack",
        "primary_family": "ipv4",
        "hosts": [
            {"name": "cls-7q46p7mt-1", "role": "control-plane", "ssh": {"address": MASTER["ipv4"], **ssh}},
            {"name": "mc-9r2dkcqj", "role": "worker", "ssh": {"address": WORKER["ipv4"], **ssh}},
        ],
        "network": {
            "pods": [{"cidr": "200.200.0.0/16"}, {"cidr": "fd00:10:16::/64", "node_mask": 72}],
            "services": ["10.200.0.0/16", "fd00:10:96::/112"],
        },
        "cni": {"kind": "calico"},
    }
    assert [(problem.code, problem.severity) for problem in result.problems] == [("public-range", "warning")]
    assert "a.json: spec.clusterCIDR" in result.problems[0].message


def test_the_ipv6_sample() -> None:
    """The one address that a document has is the node's too."""
    result = imported(*CASES["ipv6"], choices=Choices(trust_on_first_use=True, tkestack_labels=True))
    assert result.document is not None
    assert result.document["stack"] == "ipv6"
    assert "primary_family" not in result.document
    assert [host["addresses"] for host in result.document["hosts"]] == [[MASTER["ipv6"]], [WORKER["ipv6"]]]
    assert result.document["network"]["pods"] == [{"cidr": "fd00:10:16::/64", "node_mask": 72}]
    assert result.document["tkestack_labels"] is True
    assert result.problems == ()


def test_changes_are_reported_with_the_reason() -> None:
    """Version, node mask, host names, kube-proxy's mode, node-ip, pod network; also what nothing came of."""
    said = told(imported(*CASES["ipv6"]))
    for path, words in {
        "a.json: spec.version": "changed: kubernetes_version: 1.36.3: v1.18.3 is not supported",
        "network.pods: node_mask 72 of fd00:10:16::/64": "one node range",
        "hosts[].name: cls-2xcfb5wp-1, mc-9r2dkcqj": "no host names",
        "a.json: spec.hostnameAsNodename": "taken over",
        "a.json: spec.features.ipvs": "nftables",
        "a.json: spec.kubeletExtraArgs.node-ip": "not taken over: : `hosts[].addresses`",
        "cni.kind: calico": "by hand",
        "a.json: spec.tenantID": "not taken over",
        "a.json: spec.features.skipConditions": "not taken over",
        "b.json: spec.finalizers": "not taken over",
        "b.json: metadata.name": "taken over: hosts[].name",
    }.items():
        assert words in said[path]


def test_the_crosses_of_the_samples_are_no_login() -> None:
    """The documents as they are published: each password is named, and nothing is made of them."""
    documents = dual_stack_cluster(password="xxxxxx"), worker(WORKER["ipv4"], "cls-7q46p7mt", password="xxxxx")
    result = imported(*documents)
    assert result.document is None
    assert faults(result) == {"a.json: spec.machines[0].password": "not-base64", "b.json: spec.password": "not-base64"}


def test_all_faults_come_out_at_once() -> None:
    """Of every document, with the path of each field."""
    cluster = dual_stack_cluster(ip="172.22.0.670", port="22", password="*")
    cluster["spec"] |= {"clusterCIDR": "200.200.0.0", "type": "Imported", "version": "latest", "dnsDomain": 5}
    other = worker("fd00::1::2", "cls-other", type="EKS", privateKey=encoded("a key"), taints="none")
    cluster["metadata"] = {"name": "cls-7q46p7mt"}
    found = faults(imported(cluster, other, {"apiVersion": "v1", "kind": "Secret"}, {"kind": "Cluster"}, cluster))
    assert found == {
        "a.json: spec.machines[0].ip": "not-an-address",
        "a.json: spec.machines[0].port": "wrong-type",
        "a.json: spec.machines[0].password": "not-base64",
        "a.json: spec.clusterCIDR": "not-a-network",
        "a.json: spec.type": "not-baremetal",
        "a.json: spec.version": "malformed",
        "a.json: spec.dnsDomain": "wrong-type",
        "b.json: spec.ip": "not-an-address",
        "b.json: spec.clusterName": "other-cluster",
        "b.json: spec.type": "not-baremetal",
        "b.json: spec.privateKey": "not-a-private-key",
        "b.json: spec.taints": "wrong-type",
        "c.json": "document-kind",
        "d.json": "document-kind",
        "e.json": "two-cluster-documents",
    }


def test_machines_without_a_cluster_are_a_fault() -> None:
    """Their own faults are told too."""
    found = faults(imported(worker("nowhere", "cls-1")))
    assert found == {"documents": "no-cluster-document", "a.json: spec.ip": "not-an-address"}


def test_a_cluster_without_machines_is_a_fault() -> None:
    """There is nothing to make a control plane of."""
    assert faults(imported(changed(dual_stack_cluster(), machines=[]))) == {"a.json: spec.machines": "missing-field"}


def test_a_fault_of_the_cluster_file_names_the_document_it_comes_from() -> None:
    """Two control planes, a range too large, no host key: the file needs fixes, and each problem has its source."""
    cluster = changed(dual_stack_cluster(), serviceCIDR="10.0.0.0/8,fd00:10:96::/112")
    cluster["spec"]["machines"].append({**cluster["spec"]["machines"][0], "ip": "172.22.0.68"})
    result = imported(cluster, choices=Choices())
    assert result.document is not None
    by_code = {problem.code: problem for problem in result.problems}
    assert "(from a.json: spec.serviceCIDR)" in by_code["service-range-too-large"].message
    assert "(from a.json: spec.machines[1])" in by_code["control-planes-not-supported-yet"].message
    assert "--known-hosts" in by_code["host-key-missing"].hint


@pytest.mark.parametrize(
    ("metadata", "display", "called", "name"),
    [
        ({"name": "cls-1"}, "Shown", "cls-1", "cls-1"),
        ({}, "Shown", "cls-2", "cls-2"),
        ({}, "My Cluster", "", "my-cluster"),
        ({"name": "7.eu"}, "", "7.eu", "cluster-7-eu"),
        ({}, "", "", "cluster"),
    ],
)
def test_the_name_of_the_cluster(metadata: dict[str, str], display: str, called: str, name: str) -> None:
    """Its own, else what its machines call it, else what it is shown as; as a cluster file takes it."""
    documents = [{**changed(dual_stack_cluster(), displayName=display), "metadata": metadata}]
    result = imported(*documents, *([worker(WORKER["ipv4"], called)] if called else []))
    assert faults(result) == {}
    assert result.document is not None
    assert result.document["name"] == name


@pytest.mark.parametrize(
    ("version", "taken"), [("1.35.2", "1.35.2"), ("v1.37.1", "1.37.1"), ("1.35.2-tke.1", "1.35.2"), ("1.20.4", "1.36.3"), (None, "1.36.3")]
)
def test_a_version_outside_of_the_window_is_replaced_by_the_bundles(version: str | None, taken: str) -> None:
    """And one inside is kept."""
    result = imported(changed(ipv6_cluster(), version=version))
    assert result.document is not None
    assert result.document["kubernetes_version"] == taken


def test_settings_that_a_cluster_file_has_too() -> None:
    """DNS domain, load balancer, certificate names, pods a node, interface."""
    cluster = changed(
        dual_stack_cluster(),
        dnsDomain="tke.local",
        networkDevice="eth1",
        publicAlternativeNames=["api.example.org"],
        properties={"maxNodePodNum": 64},
        features={"ha": {"thirdParty": {"vip": "172.22.0.5", "vport": 443}}, "ipvs": True},
    )
    result = imported(cluster)
    assert faults(result) == {}
    document = result.document
    assert document is not None
    assert document["network"]["dns_domain"] == "tke.local"
    assert document["hosts"][0]["interface"] == "eth1"
    assert document["control_plane"] == {"endpoint": "172.22.0.5:443", "extra_sans": ["api.example.org"]}
    assert document["kubeadm"]["kubelet"] == {"maxPods": 64}
    assert document["network"]["pods"][0]["node_mask"] == 26
    assert "deprecates" in told(result)["a.json: spec.features.ipvs"]


def test_the_codes_of_faults_are_listed() -> None:
    """For docs/reference/problems.md."""
    assert set(FAULTS) >= {"document-kind", "other-cluster", "not-base64"}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 70000)
    | st.text("aA1.:,/-_ü ", max_size=8)
    | st.sampled_from(["fd00::/64", "10.0.0.0/16", "10.0.0.0/16,fd00::/64", MASTER["ipv4"], MASTER["ipv6"], "Baremetal", encoded("x")]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ip", "key", "name", "tke", "local", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = sorted(
    {*dual_stack_cluster()["spec"], *worker("::1", "c")["spec"], "properties", "etcd", "kubeletExtraArgs", "networkDevice", "proxy"}
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=4),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=4),
    st.booleans(),
)
def test_whatever_stands_in_a_document_there_is_an_answer(
    cluster_changes: dict[str, Any], machine_changes: dict[str, Any], whole: bool
) -> None:
    """A cluster file or faults, never a traceback; every field is told of, and no secret is."""
    secret = encoded("this is nobody's business")
    cluster = {**dual_stack_cluster(password=secret), "status": {"phase": "Running"}}
    cluster["spec"] = {**(cluster["spec"] if whole else {}), **cluster_changes}
    machine = worker(WORKER["ipv4"], "cls-1", password=secret)
    machine["spec"] = {**machine["spec"], **machine_changes}
    result = imported(cluster, machine)
    assert (result.document is None) == any(path.startswith(("a.json", "b.json", "documents")) for path in faults(result))
    said = "\n".join([*map(str, result.changes), *map(str, result.problems), repr(result.logins)])
    assert secret not in said
    assert "nobody's business" not in said
    paths = {change.path for change in result.changes} | {problem.path for problem in result.problems}
    for name, document in (("a.json", cluster), ("b.json", machine)):
        for field in document["spec"]:
            assert any(path.startswith(f"{name}: spec.{field}") for path in paths), (field, sorted(paths))


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=200) | values.map(json.dumps))
def test_whatever_a_file_holds_there_is_an_answer(text: str) -> None:
    """Also what is no YAML at all."""
    result = import_tkestack([Source("x", text)], TRUSTING)
    assert result.document is None
    assert result.problems
    assert result.problems == tuple(dict.fromkeys(result.problems))
