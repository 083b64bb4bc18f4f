"""Files of k0sctl as cluster files."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.choices import Choices
from importers.imported import Imported
from importers.k0sctl.convert import API, FAULTS, import_k0sctl
from importers.sources import Source
from tests.importers.k0sctl.samples import CLUSTER
from tests.importers.results import document, outcomes

TRUSTING = Choices(trust_on_first_use=True)


def imported(*texts: str, choices: Choices = TRUSTING) -> Imported:
    """What comes of files: a.yaml, b.yaml ..."""
    return import_k0sctl([Source(f"{chr(97 + number)}.yaml", text) for number, text in enumerate(texts)], choices)


def minimal(**spec: Any) -> str:
    """A file with one host."""
    hosts = [{"role": "controller", "hostname": "node-1", "ssh": {"address": "192.0.2.11"}}]
    return yaml.safe_dump({"apiVersion": API, "kind": "Cluster", "spec": {"hosts": hosts, **spec}})


def test_a_dual_stack_file_passes_check() -> None:
    """Hosts with the control plane first; a jump host; ranges of both families with a node mask."""
    found = document(imported(CLUSTER))
    assert [(host["name"], host["role"]) for host in found["hosts"]] == [("node-1", "control-plane"), ("node-2", "worker")]
    second = found["hosts"][1]
    assert (second["interface"], second["labels"], second["ssh"]["port"], second["ssh"]["user"]) == ("eth1", {"disk": "ssd"}, 2222, "ops")
    assert second["ssh"]["jump"]["address"] == "192.0.2.99"
    assert found["network"] == {
        "pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "fd00::/108", "node_mask": 117}],
        "services": ["10.96.0.0/12", "fd01::/108"],
        "dns_domain": "cluster.local",
    }
    assert (found["name"], found["kubernetes_version"], found["stack"], found["primary_family"]) == (
        "my-k0s",
        "1.36.2",
        "dual-stack",
        "ipv4",
    )
    assert found["control_plane"] == {"endpoint": "api.example.org:6443", "extra_sans": ["192.0.2.11"]}
    assert (found["cni"], found["kubeadm"]) == ({"kind": "calico"}, {"kube_proxy": {"mode": "iptables"}})


def test_every_other_field_has_a_reason() -> None:
    """With its path; values are not quoted."""
    found = outcomes(imported(CLUSTER))
    for path, word in {
        "metadata.user": "one name",
        "spec.hosts[0].hooks": "no hooks",
        "spec.hosts[0].installFlags[1]": "k0s install",
        "spec.hosts[0].ssh.keyPath": "sixstack credential add",
        "spec.hosts[1].uploadBinary": "bundle",
        "spec.k0s.config.spec.api.extraArgs": "kubeadm.extra_args",
        "spec.k0s.config.spec.network.calico": "cni",
        "spec.k0s.config.spec.telemetry": "telemetry",
        "spec.options": "k0sctl's own runs",
    }.items():
        assert "not taken over" in found[f"a.yaml: {path}"]
        assert word in found[f"a.yaml: {path}"], path
    assert "changed" in found["a.yaml: spec.k0s.version"]


def test_a_config_in_a_document_of_its_own_is_read() -> None:
    """As k0sctl reads it."""
    config = {"apiVersion": "k0s.k0sproject.io/v1beta1", "kind": "ClusterConfig", "spec": {"network": {"podCIDR": "fd00::/108", "serviceCIDR": "fd01::/112"}}}  # fmt: skip
    assert document(imported(f"{minimal()}---\n{yaml.safe_dump(config)}"))["stack"] == "ipv6"


def test_without_a_config_the_defaults_of_k0s_are_used() -> None:
    """kube-router, its default, is not available: flannel is."""
    result = imported(minimal())
    found = document(result)
    assert (found["name"], found["network"]["pods"], found["cni"]) == ("k0s-cluster", [{"cidr": "10.244.0.0/16"}], {"kind": "flannel"})
    assert "kube-router" in outcomes(result)["cni.kind: flannel"]


def test_every_fault_is_reported_and_nothing_is_written() -> None:
    """Also environment variables, which k0sctl expands and an import does not."""
    hosts = [
        {"role": "boss", "ssh": {"address": "${ADDRESS}"}},
        {"role": "worker", "winRM": {"address": "192.0.2.1"}},
        {"role": "worker", "ssh": {}},
    ]
    result = imported(minimal(hosts=hosts), "apiVersion: v1\nkind: Secret\n")
    assert result.document is None
    codes = {problem.code for problem in result.problems}
    assert codes >= {"not-in-choices", "environment-variable", "no-ssh", "k0sctl-kind"}
    assert set(FAULTS) >= codes - {"not-in-choices"}
    assert "no-k0sctl-cluster" in {problem.code for problem in imported("kind: Cluster\n").problems}


@pytest.mark.parametrize("text", ["", "- a\n", "apiVersion: [\n", "a: &a [*a]\n"])
def test_what_is_no_document_is_a_problem(text: str) -> None:
    """No exception."""
    assert imported(text).problems


_VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=6), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["enabled", "mode", "ssh", "role", "address", "podCIDR", "x"]), inner, max_size=3), max_leaves=5)  # fmt: skip


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["api", "network", "storage", "x"]), _VALUES), _VALUES)
def test_any_config_has_an_outcome_or_a_problem(config: dict[str, Any], host: object) -> None:
    """Every field, or one that encloses it."""
    text = minimal(k0s={"config": {"spec": config}}, hosts=[host])
    result = imported(text)
    told = [*outcomes(result), *(problem.path for problem in result.problems)]
    for name in config:
        assert any(f"spec.k0s.config.spec.{name}" in path for path in told) or any(path == "a.yaml: spec.k0s" for path in told), name
