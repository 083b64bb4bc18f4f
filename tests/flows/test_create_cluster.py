"""create-cluster on real hosts, in every stack mode."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest

from bundle.layout import image_references
from cluster.vocabulary.families import Family, family_of
from cluster.vocabulary.releases import DEFAULT_RELEASE
from tests.conftest import MadeCluster

pytestmark = [pytest.mark.lab, pytest.mark.server]


class TestCluster:
    """What is true of every cluster that create-cluster made."""

    def test_every_node_is_ready_with_its_addresses_in_order(self, made: MadeCluster) -> None:
        """Nodes are Ready; InternalIPs are those of the file, primary family first."""
        nodes = {node["metadata"]["name"]: node for node in made.objects("nodes")["items"]}
        assert set(nodes) == {host["name"] for host in made.document["hosts"]}
        for host in made.document["hosts"]:
            status = nodes[host["name"]]["status"]
            assert [entry["status"] for entry in status["conditions"] if entry["type"] == "Ready"] == ["True"]
            assert [entry["address"] for entry in status["addresses"] if entry["type"] == "InternalIP"] == host["addresses"]

    def test_coredns_runs(self, made: MadeCluster) -> None:
        """CoreDNS pods are Running."""
        pods = made.objects("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]
        assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 2

    def test_a_pod_on_each_node_has_the_right_families(self, made: MadeCluster) -> None:
        """An ordinary pod on each node has one address per family in use, primary first."""
        families = [made.mode.primary] if made.mode.stack != "dual-stack" else [made.mode.primary, *({*Family} - {made.mode.primary})]
        pods = [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"families-{host['name']}", "labels": {"test": "families"}},
                "spec": {
                    "nodeName": host["name"],
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [
                        {"name": "pause", "image": image_references(DEFAULT_RELEASE)["pause"], "imagePullPolicy": "IfNotPresent"}
                    ],
                },
            }
            for host in made.document["hosts"]
        ]
        manifest = made.place.write("pods.yaml", {"apiVersion": "v1", "kind": "List", "items": pods})
        made.kubectl("apply", "-f", manifest)
        made.kubectl("wait", "pod", "-l", "test=families", "--for=condition=Ready", "--timeout=60s", limit=80)
        found = made.objects("pods", "-l", "test=families")["items"]
        made.kubectl("delete", "pod", "-l", "test=families", "--now")
        for pod in found:
            assert [family_of(ip_address(entry["ip"])) for entry in pod["status"]["podIPs"]] == families
        assert len(found) == len(pods)

    def test_the_network_check_is_all_green(self, made: MadeCluster) -> None:
        """The record of verify-network holds results of every family and none that failed."""
        records = json.loads(made.place.sixstack("audit", made.name, "--output", "json").stdout)
        report = [record["report"] for record in records if record["step"] == "verify-network"][-1]
        assert report["ok"]
        assert report["families"] == [str(family) for family in report["families"]]
        assert {check["kind"] for check in report["checks"]} >= {"ping", "http", "dns"}

    def test_the_output_of_kubeadm_is_in_the_record_and_not_in_the_log(self, made: MadeCluster) -> None:
        """A worker that logs at DEBUG sends it to the step's own page, line by line."""
        host = made.document["hosts"][0]["name"]
        records = json.loads(made.place.sixstack("audit", made.run, "--output", "json").stdout)
        (output,) = [record["output"] for record in records if (record["step"], record["host"]) == ("init-control-plane", host)]
        assert "control-plane has initialized successfully" in output
        assert "\x1b" not in output
        of_run = {
            "flow_runs": {"parent_flow_run_id": {"any_": [made.run]}},
            "task_runs": {"name": {"any_": [f"init-control-plane {host}"]}},
        }
        (task_run,) = made.place.api("/task_runs/filter", of_run)
        logs = made.place.api("/logs/filter", {"logs": {"task_run_id": {"any_": [task_run["id"]]}}, "limit": 200})
        assert [log["message"] for log in logs] == ["Finished in state Completed()"]

    def test_a_second_run_finds_nothing_to_do(self, made: MadeCluster) -> None:
        """Creating again plans no step."""
        again = made.place.sixstack("plan", made.file, "--output", "json")
        assert again.returncode == 0, again.stdout + again.stderr
        assert json.loads(again.stdout)["steps"] == []

    def test_a_node_is_found_by_each_of_its_addresses(self, made: MadeCluster) -> None:
        """`sixstack node` finds the node whatever spelling an address has."""
        host = made.document["hosts"][-1]
        for text in host["addresses"]:
            address = ip_address(text)
            for spelling in {text, address.exploded, address.exploded.upper()}:
                found = made.place.sixstack("node", spelling, "--cluster", made.name)
                assert (found.returncode, found.stdout.strip()) == (0, host["name"]), found.stderr

    def test_create_prints_a_line_for_each_step(self, made: MadeCluster) -> None:
        """Whoever runs `sixstack create` sees each step end, on which host, and how."""
        lines = made.output.splitlines()
        names = [host["name"] for host in made.document["hosts"]]
        for step, host in [
            ("plan", "cluster"),
            *(("prepare-host", name) for name in names),
            ("init-control-plane", names[0]),
            *(("join-worker", name) for name in names[1:]),
            *(("wait-ready", name) for name in names),
            ("verify-network", "cluster"),
        ]:
            assert [line for line in lines if f" {step} {host}: " in line], f"no line of {step} {host} in\n{made.output}"
        assert f"{len(names)} of {len(names)} hosts joined" in made.output
        assert lines[-1].endswith(": completed")

    def test_the_flow_process_is_small(self, made: MadeCluster) -> None:
        """A create run of three hosts holds at most 250 MB; the benchmark reports how much."""
        assert 0 < made.command_lines.peak_memory <= 250 * 1000**2
