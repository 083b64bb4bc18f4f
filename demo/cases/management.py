"""The management cluster of the proposal, with substitutes for the platform's Deployments: TKEStack's own images are not available here."""

from __future__ import annotations

from typing import Any

from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.families import Family, StackMode
from demo.cases.environment import CaseEnvironment, expect
from demo.cases.lab_cluster import LabCluster

NAMESPACE = "tke"
PLATFORM = {"tke-platform-api": 9443, "tke-platform-controller": 9444}  # and the port each listens on


class ManagementCluster(LabCluster):
    """The cluster `global` on the lab's third host: IPv4-only, on a dual-stack host."""

    def __init__(self, environment: CaseEnvironment) -> None:
        super().__init__(environment, "global", StackMode.IPV4, numbers=(3,), ssh=Family.IPV4, cni="flannel")

    def make(self) -> str:
        """Create the cluster and the two Deployments in the pod network, where they do not reach IPv6 hosts."""
        self.create("--no-verify")
        self.apply("platform", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, *map(self._substitute, PLATFORM))
        self._wait_available()
        expect(
            not self._reaches_ipv6(), "a pod in the pod network of an IPv4 cluster does not reach IPv6 hosts", "the platform reaches one"
        )
        return self._pods()

    def set_host_network(self) -> str:
        """Run the flow for steps 1 to 3: scale to 0, wait for the end of the pods, set the host network, scale back, wait until available."""
        before = {pod["metadata"]["uid"] for pod in self._platform("pods")}
        self.environment.run_deployment("set-platform-host-network/default", cluster=self.name)
        after = {pod["metadata"]["uid"] for pod in self._platform("pods")}
        expect(len(after) == len(PLATFORM) and not before & after, "the same number of pods, all of them new", self._pods())
        return self._pods()

    def reaches_ipv6_hosts(self) -> str:
        """Each Deployment has its replicas and the host network, and reaches the hosts of Case 2 over IPv6."""
        for deployment in self._platform("deployments"):
            pod, status = deployment["spec"]["template"]["spec"], deployment["status"]
            expect((pod.get("hostNetwork"), pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet"), "the host's network", str(pod))
            expect((deployment["spec"]["replicas"], status.get("availableReplicas")) == (1, 1), "one replica, available", str(status))
        expect(self._reaches_ipv6(), "the platform reaches IPv6 hosts", "the platform reaches none")
        return self._pods()

    def _reaches_ipv6(self) -> bool:
        from lab import hosts

        target = str(hosts.status(self.environment.lab)[0].address(Family.IPV6))
        try:
            self.kubectl("exec", "-n", NAMESPACE, "deployment/tke-platform-api", "--", "ping", "-c", "1", "-W", "2", target)
        except ClusterError:
            return False
        return True

    def _wait_available(self) -> None:
        for name in PLATFORM:
            self.kubectl("rollout", "status", f"deployment/{name}", "-n", NAMESPACE, "--timeout=90s")

    def _platform(self, kind: str) -> list[dict[str, Any]]:
        found = self.objects(kind, "-n", NAMESPACE, "-l", "part-of=platform")
        return [entry for entry in found if "deletionTimestamp" not in entry["metadata"]]

    def _pods(self) -> str:
        return self.kubectl("get", "pods", "-n", NAMESPACE, "-o", "wide")

    def _substitute(self, name: str) -> dict[str, Any]:
        labels = {"app": name, "part-of": "platform"}
        port = PLATFORM[name]
        container = {
            "name": name,
            "image": self.environment.probe_image,
            "imagePullPolicy": "IfNotPresent",
            "args": ["netexec", f"--http-port={port}", "--udp-port=-1"],
            "ports": [{"containerPort": port}],
        }
        pod = {"tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 1, "containers": [container]}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        }
