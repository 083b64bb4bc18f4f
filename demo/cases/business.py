"""The business cluster of the proposal: made without a pod network, given Calico, grown by a worker, proven by a pod."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network

from cluster.vocabulary.families import Address, family_of
from demo.cases.lab_cluster import LabCluster
from demo.cases.place import expect

_POD = "busybox1"


class BusinessCluster(LabCluster):
    """Each method is a step, and returns what was seen."""

    def coredns_is_pending(self) -> str:
        """Without a pod network the node is NotReady, and CoreDNS waits for one that is Ready."""
        self.kubectl("wait", "deployment/coredns", "-n", "kube-system", "--for=jsonpath={.status.replicas}=2", "--timeout=60s")
        pods = self.objects("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
        expect([pod["status"]["phase"] for pod in pods] == ["Pending"] * 2, "CoreDNS is Pending", self._pods())
        expect(self._ready() == set(), "no node is Ready before there is a pod network", self._nodes())
        return self._pods()

    def apply_calico(self) -> str:
        """The file says calico instead of none, and the cluster is created again: Calico and CoreDNS run."""
        self.cni = "calico"
        self.create("--no-verify")
        self.kubectl("wait", "pods", "--all", "-n", "kube-system", "--for=condition=Ready", "--timeout=120s")
        running = [pod["metadata"]["name"] for pod in self.objects("pods", "-n", "kube-system", "--field-selector", "status.phase=Running")]
        for wanted in ("calico-node-", "calico-kube-controllers-", "coredns-"):
            expect(any(name.startswith(wanted) for name in running), f"a pod {wanted}... runs", self._pods())
        return self._pods()

    def add_worker(self) -> str:
        """The file with one host more, and the cluster is created again; what proves the network is the proposal's own ping."""
        self.hosts += 1
        return self.create("--no-verify")

    def every_node_is_ready(self) -> str:
        """Both nodes are Ready, with the addresses of the file and no others; calico-node and kube-proxy run on the worker too."""
        wanted = {host["name"]: host["addresses"] for host in self.document()["hosts"]}
        found = {
            node["metadata"]["name"]: [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
            for node in self.objects("nodes")
        }
        expect(found == wanted, f"nodes with the addresses of the file: {wanted}", str(found))
        expect(self._ready() == set(wanted), "every node is Ready", self._nodes())
        worker = self.machines[-1].name
        there = self.objects("pods", "-n", "kube-system", "--field-selector", f"spec.nodeName={worker},status.phase=Running")
        names = " ".join(pod["metadata"]["name"] for pod in there)
        expect("calico-node-" in names and "kube-proxy-" in names, f"calico-node and kube-proxy run on {worker}", names)
        return f"{self._nodes()}\n{self._pods()}"

    def deploy_workload(self) -> str:
        """A pod on the worker has one address a family in use, primary first, each out of the cluster's range, on its own link too."""
        container = {"name": _POD, "image": self.place.probe_image, "imagePullPolicy": "IfNotPresent", "args": ["pause"]}
        spec = {"nodeName": self.machines[-1].name, "terminationGracePeriodSeconds": 1, "containers": [container]}
        self.apply(_POD, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": _POD}, "spec": spec})
        self.kubectl("wait", f"pod/{_POD}", "--for=condition=Ready", "--timeout=60s")
        ranges = [ip_network(pods["cidr"]) for pods in self.document()["network"]["pods"]]
        addresses = self._pod_addresses()
        right = len(addresses) == len(ranges) and all(address in pods for address, pods in zip(addresses, ranges, strict=True))
        expect(right, f"{_POD} has one address out of each of {', '.join(map(str, ranges))}", ", ".join(map(str, addresses)))
        link = self.kubectl("exec", _POD, "--", "ip", "address", "show", "dev", "eth0")
        held = [ip_address(line.split()[1].partition("/")[0]) for line in link.splitlines() if line.strip().startswith("inet")]
        expect({one for one in held if not one.is_link_local} == set(addresses), f"eth0 has {addresses} and no others", link)
        return link

    def ping_from_the_other_host(self) -> str:
        """The host that the pod does not run on reaches it over each family."""
        from lab import hosts

        other, said = self.machines[0].name, []
        for address in self._pod_addresses():
            done = hosts.run_in(other, ["ping", "-c", "2", "-i", "0.2", "-W", "3", str(address)], self.place.lab)
            expect(done.returncode == 0, f"{other} reaches {_POD} at {address}", done.stdout + done.stderr)
            said.append(f"{other}:~# ping {address}\n{done.stdout.strip()}")
        expect([family_of(address) for address in self._pod_addresses()] == list(self.families), "a ping over each family", "\n".join(said))
        return "\n".join(said)

    def _pod_addresses(self) -> list[Address]:
        pod = json.loads(self.kubectl("get", "pod", _POD, "-o", "json"))
        return [ip_address(entry["ip"]) for entry in pod["status"]["podIPs"]]

    def _ready(self) -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.objects("nodes")
            if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
        }

    def _pods(self) -> str:
        return self.kubectl("get", "pods", "-A", "-o", "wide")

    def _nodes(self) -> str:
        return self.kubectl("get", "nodes", "-o", "wide")
