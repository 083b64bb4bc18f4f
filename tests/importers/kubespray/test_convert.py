"""kubespray inventories, in YAML and INI, as cluster files."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.choices import Choices
from importers.formats import Format, recognised
from importers.imported import Imported
from importers.kubespray.convert import FAULTS, import_kubespray
from importers.sources import Source
from tests.importers.kubespray.samples import DUAL_STACK, HOSTS, INI, SECRET
from tests.importers.results import document, outcomes

TRUSTING = Choices(trust_on_first_use=True)


def imported(*files: tuple[str, str], choices: Choices = TRUSTING) -> Imported:
    """What comes of files: pairs of name and text."""
    return import_kubespray([Source(name, text) for name, text in files], choices)


class TestClusterFile:
    """What becomes of the variables."""

    def test_a_dual_stack_inventory_passes_check(self) -> None:
        """Groups, addresses of both families, ranges with their node masks."""
        found = document(imported(("inv/hosts.yaml", HOSTS), ("inv/group_vars/k8s_cluster/k8s-cluster.yml", DUAL_STACK)))
        assert found["hosts"] == [
            {
                "name": "node1",
                "role": "control-plane",
                "ssh": {"address": "192.0.2.11", "user": "ops", "credential": "default", "host_key": "trust-on-first-use"},
                "addresses": ["192.0.2.11", "2001:db8::11"],
            },
            {
                "name": "node2",
                "role": "worker",
                "ssh": {"address": "192.0.2.12", "port": 2222, "user": "ops", "credential": "default", "host_key": "trust-on-first-use"},
                "addresses": ["192.0.2.12", "2001:db8::12"],
            },
        ]
        assert found["network"] == {
            "pods": [{"cidr": "10.233.64.0/18", "node_mask": 24}, {"cidr": "fd85:ee78:d8a6:8607::1:0/112", "node_mask": 120}],
            "services": ["10.233.0.0/18", "fd85:ee78:d8a6:8607::1000/116"],
            "dns_domain": "prod.example",
        }
        assert (found["name"], found["kubernetes_version"], found["stack"], found["cni"]) == (
            "prod",
            "1.36.2",
            "dual-stack",
            {"kind": "calico"},
        )
        assert found["kubeadm"] == {"kube_proxy": {"mode": "iptables"}, "kubelet": {"maxPods": 120}}

    def test_an_old_ini_inventory_passes_check_and_its_password_goes_to_a_block(self) -> None:
        """Names of groups with hyphens; a secret is in the login only."""
        result = imported(("inventory.ini", INI))
        found = document(result)
        assert [(host["name"], host["role"]) for host in found["hosts"]] == [("node1", "control-plane"), ("node2", "worker")]
        assert found["network"]["pods"] == [{"cidr": "10.200.0.0/16", "node_mask": 24}]
        assert found["cni"] == {"kind": "flannel"}
        (login,) = result.logins
        assert (login.user, login.credential.password, found["hosts"][1]["ssh"]["credential"]) == ("root", SECRET, login.block)
        assert SECRET not in str(found) + str(result.changes) + str(result.logins)

    @pytest.mark.parametrize(
        ("variables", "stack"),
        [
            ("{}", "ipv4"),
            ("enable_dual_stack_networks: true", "dual-stack"),
            ("{ipv4_stack: false, ipv6_stack: yes}", "ipv6"),
            ("{ipv6_stack: false, enable_dual_stack_networks: true}", "ipv4"),
        ],
    )
    def test_the_families_are_those_of_two_generations_of_variables(self, variables: str, stack: str) -> None:
        """With kubespray's default ranges, which are reported as added."""
        result = imported(("hosts.yaml", HOSTS), ("group_vars/all.yml", variables))
        assert document(result)["stack"] == stack
        assert any("kubespray's default" in text for text in outcomes(result).values())

    def test_the_inner_group_and_the_host_have_precedence(self) -> None:
        """all < parent group < group < inventory of the host < host_vars."""
        files = [
            ("hosts.yaml", HOSTS),
            ("group_vars/all.yml", "ansible_port: 1"),
            ("group_vars/kube_node.yml", "{ansible_port: 2, ansible_user: inner}"),
        ]
        files += [("host_vars/node1.yml", "ansible_port: 3"), ("group_vars/k8s_cluster.yml", "ansible_user: outer")]
        found = document(imported(*files))
        assert [host["ssh"]["port"] for host in found["hosts"]] == [3, 2222]
        assert [host["ssh"]["user"] for host in found["hosts"]] == ["inner", "inner"]

    def test_a_bastion_becomes_the_jump_host(self) -> None:
        """Of every host."""
        bastion = "bastion: {hosts: {bastion: {ansible_host: 192.0.2.99, ansible_user: hop}}}\n"
        found = document(imported(("hosts.yaml", HOSTS), ("more.yaml", bastion)))
        assert {host["ssh"]["jump"]["address"] for host in found["hosts"]} == {"192.0.2.99"}

    def test_labels_taints_endpoint_and_proxy(self) -> None:
        """Labels that the kubelet owns are not taken over."""
        shared = "loadbalancer_apiserver: {address: 192.0.2.50, port: 8443}\nhttp_proxy: http://192.0.2.60:3128\nno_proxy: localhost, 192.0.2.0/24\n"
        own = "node_labels: {disk: ssd, kubernetes.io/hostname: x}\nnode_taints: ['dedicated=db:NoSchedule']\n"
        result = imported(("hosts.yaml", HOSTS), ("group_vars/all.yml", shared), ("host_vars/node2.yml", own))
        found = document(result)
        assert found["hosts"][1]["labels"] == {"disk": "ssd"}
        assert found["hosts"][1]["taints"] == [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]
        assert found["control_plane"]["endpoint"] == "192.0.2.50:8443"
        assert found["proxy"] == {"http": "http://192.0.2.60:3128", "no_proxy": ["localhost", "192.0.2.0/24"]}
        assert any("kubernetes.io/hostname" in path for path in outcomes(result))


class TestNotTaken:
    """Every variable has an outcome, and nothing is evaluated or decrypted."""

    def test_jinja_vault_and_unknown_variables_have_a_reason(self) -> None:
        """With the file and the name."""
        encrypted = f"ansible_become_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  {SECRET}\nkube_owner: kube\n"
        whole = f"$ANSIBLE_VAULT;1.1;AES256\n{SECRET}\n"
        result = imported(("hosts.yaml", HOSTS), ("group_vars/all/a.yml", encrypted), ("group_vars/all/b.yml", whole), ("group_vars/k8s_cluster.yml", DUAL_STACK))  # fmt: skip
        found = outcomes(result)
        assert "Jinja" in found["group_vars/k8s_cluster.yml: dns_domain"]
        assert "ansible-vault" in found["group_vars/all/a.yml: ansible_become_password"]
        assert "ansible-vault" in found["group_vars/all/b.yml"]
        assert "not taken over" in found["group_vars/all/a.yml: kube_owner"]
        assert "bundle" in found["group_vars/k8s_cluster.yml: bin_dir"]
        assert "hosts[].addresses" in found["hosts.yaml: all.hosts.node1.access_ip"]
        assert "neither" in found["host spare"]
        assert SECRET not in str(result)

    @settings(deadline=None)
    @given(st.dictionaries(st.sampled_from(["ip", "ansible_port", "kube_version", "ipv6_stack", "x", "kube_pods_subnet", "node_labels", "node_taints", "loadbalancer_apiserver", "kube_proxy_mode", "ansible_password", "upstream_dns_servers", "cluster_name"]), st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2), max_leaves=4)))  # fmt: skip
    def test_any_variable_has_an_outcome_or_a_problem(self, variables: dict[str, Any]) -> None:
        """Never an exception."""
        result = imported(("hosts.yaml", HOSTS), ("group_vars/all.yml", yaml.safe_dump(variables)))
        told = " ".join((*outcomes(result), *(problem.path for problem in result.problems)))
        assert [name for name in variables if f"group_vars/all.yml: {name}" not in told] == []

    @settings(deadline=None)
    @given(st.text(max_size=200))
    def test_any_text_gives_a_result(self, text: str) -> None:
        """As an inventory and as variables."""
        imported(("hosts.yaml", text), ("inventory.ini", f"[kube_node]\n{text}"), ("group_vars/all.yml", text))


class TestProblems:
    """All at once, and then no file."""

    def test_every_fault_is_reported_and_nothing_is_written(self) -> None:
        """With the place."""
        wrong = "kube_pods_subnet: 10.0.0.0/99\nkube_version: new\nipv4_stack: false\nipv6_stack: false\nkubelet_max_pods: many\n"
        result = imported(("inventory.ini", "[kube_control_plane]\nnode[1:3]\nnode9 ip=nowhere\n"), ("group_vars/all.yml", wrong))
        assert result.document is None
        codes = {problem.code for problem in result.problems}
        assert codes >= {"host-range", "not-an-address", "not-a-network", "malformed", "no-stack", "wrong-type"}
        assert all(problem.hint for problem in result.problems)

    def test_a_line_that_is_too_long_is_a_fault(self) -> None:
        """The words of such a line would take minutes."""
        result = imported(("inventory.ini", f"[kube_control_plane]\nnode1 x={'a' * 20_000}\n"), ("group_vars/all.yml", DUAL_STACK))
        assert ("syntax", "inventory.ini: line 2") in {(problem.code, problem.path) for problem in result.problems}

    @pytest.mark.parametrize(
        ("name", "is_range"), [("node[01:03]", True), ("[::1]", True), ("node[1", False), ("a]b:c", False), ("a[b]:c", False)]
    )
    def test_a_range_is_a_colon_in_brackets(self, name: str, *, is_range: bool) -> None:
        """Of Ansible's hosts; a port is behind the brackets."""
        result = imported(("inventory.ini", f"[kube_control_plane]\n{name}\n"), ("group_vars/all.yml", DUAL_STACK))
        assert ("host-range" in {problem.code for problem in result.problems}) == is_range

    def test_without_a_control_plane_there_is_no_cluster(self) -> None:
        """The hint names the files."""
        result = imported(("group_vars/all.yml", DUAL_STACK))
        assert [problem.code for problem in result.problems] == ["no-control-plane-group"]
        assert set(FAULTS) >= {"no-control-plane-group", "host-range", "no-stack"}


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("hosts.yaml", HOSTS, Format.KUBESPRAY),
        ("inventory.ini", INI, Format.KUBESPRAY),
        ("group_vars/all/all.yml", "bin_dir: /x", Format.KUBESPRAY),
        ("k0sctl.yaml", "apiVersion: k0sctl.k0sproject.io/v1beta1\nkind: Cluster\n", Format.K0SCTL),
        ("a.json", '{"apiVersion": "platform.tkestack.io/v1"}', Format.TKESTACK),
        ("a.json", "{}", Format.TKESTACK),
    ],
)
def test_the_tool_is_recognised_by_its_files(name: str, text: str, tool: Format) -> None:
    """By the content, and by the path of files of variables."""
    assert recognised([Source(name, text)]) is tool
