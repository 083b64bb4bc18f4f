"""A cluster on hosts of a lab, with its current cluster file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster.vocabulary.families import Family, StackMode, families_of
from demo.cases.environment import CaseEnvironment

if TYPE_CHECKING:
    from lab.state import LabHost


@dataclass
class LabCluster:
    """The cluster `name` on the lab's hosts with these numbers; the first host is the control plane."""

    environment: CaseEnvironment
    name: str
    stack: StackMode
    numbers: tuple[int, ...]
    ssh: Family
    cni: str = "none"
    hosts: int = 1  # how many of them the file names

    @property
    def families(self) -> tuple[Family, ...]:
        """Families in use, primary first."""
        return families_of(self.stack, Family.IPV4)

    @property
    def machines(self) -> tuple[LabHost, ...]:
        """The lab's hosts with the cluster's numbers."""
        from lab import hosts

        by_number = {host.number: host for host in hosts.status(self.environment.lab)}
        return tuple(by_number[number] for number in self.numbers)

    def document(self) -> dict[str, Any]:
        """The current cluster file."""
        from lab import hosts
        from lab.spec import cluster_document

        document = cluster_document(
            hosts.lab_of(self.environment.lab), self.machines, self.stack, cni=self.cni, count=self.hosts, ssh=self.ssh
        )
        document["hosts"][0]["role"] = "control-plane"
        return {**document, "name": self.name}

    def file(self) -> str:
        """Write the current cluster file; its path."""
        from lab.spec import cluster_file

        path = self.environment.folder / f"{self.name}.yaml"
        path.write_text(cluster_file(self.document()), encoding="utf-8")
        return str(path)

    def create(self, *options: str) -> str:
        """Run `sixstack create` with the current file; the nodes afterwards."""
        self.environment.run("create", self.file(), *options)
        return self.kubectl("get", "nodes", "-o", "wide")

    def delete(self) -> str:
        """Run `sixstack delete` for all of the cluster's hosts; a host without the cluster stays as it is."""
        self.hosts = len(self.numbers)
        self.environment.run("delete", self.file(), "--confirm", self.name)
        return f"free: {', '.join(machine.name for machine in self.machines)}"

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl through the control plane's SSH connection; its output."""
        return self.environment.output_of("kubectl", self.name, "--", *arguments)

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """`kubectl get ... -o json`."""
        return list(json.loads(self.kubectl("get", *arguments, "-o", "json"))["items"])

    def apply(self, name: str, *objects: dict[str, Any]) -> None:
        """Apply objects through a file `name`.json."""
        path = self.environment.folder / f"{name}.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), encoding="utf-8")
        self.kubectl("apply", "-f", str(path))
