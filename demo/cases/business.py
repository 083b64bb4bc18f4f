"""The business cluster of the proposal: created without a pod network, then Calico, a worker and a test pod are added."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network

from cluster.vocabulary.families import Address, family_of
from demo.cases.environment import expect
from demo.cases.lab_cluster import LabCluster

_POD = "busybox1"


class BusinessCluster(LabCluster):
    """Each method is a step, and returns what it found."""

    def coredns_is_pending(self) -> str:
        """Without a pod network, the node is NotReady and CoreDNS is Pending."""
        self.kubectl("wait", "deployment/coredns", "-n", "kube-system", "--for=jsonpath={.status.replicas}=2", "--timeout=60s")
        pods = self.objects("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
        expect([pod["status"]["phase"] for pod in pods] == ["Pending"] * 2, "CoreDNS is Pending", self._pods())
        expect(self._ready() == set(), "no node is Ready without a pod network", self._nodes())
        return self._pods()

    def apply_calico(self) -> str:
        """Set `calico` instead of `none` in the file and create the cluster again: Calico and CoreDNS run."""
        self.cni = "calico"
        self.create("--no-verify")
        self.kubectl("wait", "pods", "--all", "-n", "kube-system", "--for=condition=Ready", "--timeout=120s")
        running = [pod["metadata"]["name"] for pod in self.objects("pods", "-n", "kube-system", "--field-selector", "status.phase=Running")]
        for wanted in ("calico-node-", "calico-kube-controllers-", "coredns-"):
            expect(any(name.startswith(wanted) for name in running), f"a pod {wanted}... runs", self._pods())
        return self._pods()

    def add_worker(self) -> str:
        """Add a host to the file and create the cluster again; the proposal's own ping verifies the network later."""
        self.hosts += 1
        return self.create("--no-verify")

    def every_node_is_ready(self) -> str:
        """Both nodes are Ready with exactly the addresses of the file; calico-node and kube-proxy run on the worker too."""
        wanted = {host["name"]: host["addresses"] for host in self.document()["hosts"]}
        found = {
            node["metadata"]["name"]: [entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP"]
            for node in self.objects("nodes")
        }
        expect(found == wanted, f"nodes with the addresses of the file: {wanted}", str(found))
        expect(self._ready() == set(wanted), "every node is Ready", self._nodes())
        worker = self.machines[-1].name
        pods = self.objects("pods", "-n", "kube-system", "--field-selector", f"spec.nodeName={worker},status.phase=Running")
        names = " ".join(pod["metadata"]["name"] for pod in pods)
        expect("calico-node-" in names and "kube-proxy-" in names, f"calico-node and kube-proxy run on {worker}", names)
        return f"{self._nodes()}\n{self._pods()}"

    def deploy_workload(self) -> str:
        """A pod on the worker has one address of each family, primary first, each from the cluster's range, and eth0 has the same addresses."""
        container = {"name": _POD, "image": self.environment.probe_image, "imagePullPolicy": "IfNotPresent", "args": ["pause"]}
        spec = {"nodeName": self.machines[-1].name, "terminationGracePeriodSeconds": 1, "containers": [container]}
        self.apply(_POD, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": _POD}, "spec": spec})
        self.kubectl("wait", f"pod/{_POD}", "--for=condition=Ready", "--timeout=60s")
        ranges = [ip_network(pods["cidr"]) for pods in self.document()["network"]["pods"]]
        addresses = self._pod_addresses()
        in_ranges = len(addresses) == len(ranges) and all(address in pods for address, pods in zip(addresses, ranges, strict=True))
        expect(in_ranges, f"{_POD} has one address from each of {', '.join(map(str, ranges))}", ", ".join(map(str, addresses)))
        link = self.kubectl("exec", _POD, "--", "ip", "address", "show", "dev", "eth0")
        on_link = [ip_address(line.split()[1].partition("/")[0]) for line in link.splitlines() if line.strip().startswith("inet")]
        expect({address for address in on_link if not address.is_link_local} == set(addresses), f"eth0 has exactly {addresses}", link)
        return link

    def ping_from_the_other_host(self) -> str:
        """The control plane, another host than the pod's, reaches the pod over each family."""
        from lab import hosts

        other, transcript = self.machines[0].name, []
        for address in self._pod_addresses():
            done = hosts.run_in(other, ["ping", "-c", "2", "-i", "0.2", "-W", "3", str(address)], self.environment.lab)
            expect(done.returncode == 0, f"{other} reaches {_POD} at {address}", done.stdout + done.stderr)
            transcript.append(f"{other}:~# ping {address}\n{done.stdout.strip()}")
        expect(
            [family_of(address) for address in self._pod_addresses()] == list(self.families),
            "a ping over each family",
            "\n".join(transcript),
        )
        return "\n".join(transcript)

    def _pod_addresses(self) -> list[Address]:
        pod = json.loads(self.kubectl("get", "pod", _POD, "-o", "json"))
        return [ip_address(entry["ip"]) for entry in pod["status"]["podIPs"]]

    def _ready(self) -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.objects("nodes")
            if any(entry["type"] == "Ready" and entry["status"] == "True" for entry in node["status"]["conditions"])
        }

    def _pods(self) -> str:
        return self.kubectl("get", "pods", "-A", "-o", "wide")

    def _nodes(self) -> str:
        return self.kubectl("get", "nodes", "-o", "wide")
