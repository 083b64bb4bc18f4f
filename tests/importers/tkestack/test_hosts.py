"""Machines as hosts: names, SSH, host keys, labels, taints, jump hosts."""

from ipaddress import ip_address
from typing import Any

import pytest

from importers.choices import Choices
from tests.importers.tkestack.samples import MASTER, TRUSTING, WORKER, changed, dual_stack_cluster, encoded, faults, imported, told, worker

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBqvnZS2eVUvBbLnbNYwNGqQSdPVqsLW5GzBkeyM3b0e"
ADDRESS = ip_address(MASTER["ipv4"])


def host(choices: Choices = TRUSTING, **machine: Any) -> dict[str, Any]:
    """The host that a Cluster's machine with these fields becomes."""
    result = imported(dual_stack_cluster(**machine), choices=choices)
    assert result.document is not None, faults(result)
    found: dict[str, Any] = result.document["hosts"][0]
    return found


class TestNames:
    """A document has no host name."""

    def test_a_name_that_was_given_is_taken(self) -> None:
        """By the address, whatever its spelling was."""
        choices = Choices(names={ADDRESS: "vm-0-67-ubuntu", ip_address(WORKER["ipv4"]): "vm-0-102-ubuntu"}, trust_on_first_use=True)
        result = imported(dual_stack_cluster(), worker(WORKER["ipv4"], "cls-1"), choices=choices)
        assert result.document is not None
        assert [each["name"] for each in result.document["hosts"]] == ["vm-0-67-ubuntu", "vm-0-102-ubuntu"]
        assert "--name" in told(result)["b.json: metadata.name"]

    def test_a_name_of_no_machine_is_a_fault(self) -> None:
        """A slip in the address."""
        result = imported(dual_stack_cluster(), choices=Choices(names={ip_address("172.22.0.68"): "x"}))
        assert faults(result) == {"--name 172.22.0.68": "unknown-machine"}

    @pytest.mark.parametrize(("name", "proposed"), [("mc-1", "mc-1"), ("MC_1", "mc-1"), ("", "cls-1-2"), ("...", "cls-1-2")])
    def test_the_name_of_a_machine_document_is_proposed(self, name: str, proposed: str) -> None:
        """As a node can have it; else the cluster's with a number."""
        machine = {**worker(WORKER["ipv4"], "cls-1"), "metadata": {"name": name}}
        result = imported(dual_stack_cluster(), machine)
        assert result.document is not None
        assert result.document["hosts"][1]["name"] == proposed

    def test_a_node_is_never_called_by_its_address(self) -> None:
        """TKEStack's default is told to be another."""
        said = told(imported(changed(dual_stack_cluster(), hostnameAsNodename=False)))
        assert said["a.json: spec.hostnameAsNodename"].startswith("changed")


class TestSsh:
    """Address, port and user."""

    def test_what_is_left_out_has_tkestacks_meaning(self) -> None:
        """Port 0 is 22, no user is root."""
        assert host(port=0, username="")["ssh"] | {"host_key": ""} == {
            "address": MASTER["ipv4"],
            "user": "root",
            "credential": "ipv6-ds-root",
            "host_key": "",
        }

    def test_other_ports_and_users_are_kept(self) -> None:
        """A user that is not root has sudo."""
        found = host(port=2222, username="ubuntu")["ssh"]
        assert (found["port"], found["user"], found["credential"]) == (2222, "ubuntu", "ipv6-ds-ubuntu")

    def test_one_spelling_of_an_address(self) -> None:
        """As everywhere in the cluster file."""
        result = imported(dual_stack_cluster(ip="FD00:0:0::0001"))
        assert result.document is not None
        assert result.document["hosts"][0]["ssh"]["address"] == "fd00::1"
        assert told(result)["a.json: spec.machines[0].ip"].startswith("changed: hosts[].ssh.address: fd00::1")

    def test_without_a_host_key_the_file_has_none(self) -> None:
        """Trusting the first that is shown is a choice of the owner's, and `sixstack check` says how to make it."""
        result = imported(dual_stack_cluster(), choices=Choices())
        assert result.document is not None
        assert "host_key" not in result.document["hosts"][0]["ssh"]
        assert [problem.code for problem in result.problems if problem.severity == "error"] == ["host-key-missing"]

    def test_known_host_keys_are_pinned(self) -> None:
        """And come before trust."""
        choices = Choices(known_hosts=f"{MASTER['ipv4']} {KEY}\n", trust_on_first_use=True)
        assert host(choices)["ssh"]["host_key"] == KEY

    def test_a_jump_host_has_a_login_of_its_own(self) -> None:
        """TKEStack's proxy of type SSHJumpServer."""
        proxy = {
            "type": "SSHJumpServer",
            "ip": "198.51.100.1",
            "port": 2200,
            "username": "jump",
            "privateKey": encoded("-----BEGIN OPENSSH PRIVATE KEY-----"),
        }
        result = imported(dual_stack_cluster(proxy=proxy))
        assert result.document is not None
        jump = {"address": "198.51.100.1", "port": 2200, "user": "jump", "credential": "ipv6-ds-jump", "host_key": "trust-on-first-use"}
        assert result.document["hosts"][0]["ssh"]["jump"] == jump
        assert [login.block for login in result.logins] == ["ipv6-ds-root", "ipv6-ds-jump"]

    def test_another_proxy_is_not_taken(self) -> None:
        """With the reason, and none of its fields by itself."""
        said = told(imported(dual_stack_cluster(proxy={"type": "SOCKS5", "ip": "198.51.100.1", "port": 1080})))
        assert "SOCKS5" in said["a.json: spec.machines[0].proxy"]

    def test_a_machine_without_a_login_names_the_default_block(self) -> None:
        """Documents that were stripped of their secrets."""
        result = imported(dual_stack_cluster(password=None))
        assert result.logins == ()
        assert result.document is not None
        assert result.document["hosts"][0]["ssh"]["credential"] == "default"


class TestLabelsAndTaints:
    """Those of the machine are those of its node."""

    def test_labels_are_taken_but_those_with_another_owner(self) -> None:
        """What the kubelet or kubeadm set."""
        labels = {"rack": "r1", "kubernetes.io/hostname": "x", "node-role.kubernetes.io/master": ""}
        result = imported(dual_stack_cluster(labels=labels))
        assert result.document is not None
        assert result.document["hosts"][0]["labels"] == {"rack": "r1"}
        assert told(result)['a.json: spec.machines[0].labels["kubernetes.io/hostname"]'].startswith("not taken over: : the kubelet ")

    def test_tkestacks_labels_are_ours_when_they_are_asked_for(self) -> None:
        """Else they stay what they are."""
        labels = {"platform.tkestack.io/machine-ip": MASTER["ipv4"]}
        assert host(labels=labels)["labels"] == labels
        assert "labels" not in host(Choices(trust_on_first_use=True, tkestack_labels=True), labels=labels)

    def test_taints_are_taken_but_kubeadms(self) -> None:
        """timeAdded is written by the node controllers."""
        taints = [
            {"key": "gpu", "value": "a100", "effect": "NoSchedule", "timeAdded": "2020-08-17T00:00:00Z"},
            {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
        ]
        result = imported(dual_stack_cluster(taints=taints))
        assert result.document is not None
        assert result.document["hosts"][0]["taints"] == [{"key": "gpu", "value": "a100", "effect": "NoSchedule"}]
        said = told(result)
        assert "not taken over" in said["a.json: spec.machines[0].taints[0].timeAdded"]
        assert "kubeadm" in said["a.json: spec.machines[0].taints[1]"]
        assert "node controllers" in said["a.json: spec.machines[0].taints[2]"]
