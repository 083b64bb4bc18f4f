"""A cluster on hosts of a lab, with its file as it is at the moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster.vocabulary.families import Family, StackMode, families_of
from demo.cases.place import Place

if TYPE_CHECKING:
    from lab.state import LabHost


@dataclass
class LabCluster:
    """The cluster `name` on the lab's hosts of these numbers, the first of which is the control plane."""

    place: Place
    name: str
    stack: StackMode
    numbers: tuple[int, ...]
    ssh: Family
    cni: str = "none"
    hosts: int = 1  # how many of them the file names so far

    @property
    def families(self) -> tuple[Family, ...]:
        """Families in use, primary first."""
        return families_of(self.stack, Family.IPV4)

    @property
    def machines(self) -> tuple[LabHost, ...]:
        """The lab's hosts that it may have."""
        from lab import hosts

        by_number = {host.number: host for host in hosts.status(self.place.lab)}
        return tuple(by_number[number] for number in self.numbers)

    def document(self) -> dict[str, Any]:
        """The cluster file as it is now."""
        from lab import hosts
        from lab.spec import cluster_document

        document = cluster_document(hosts.lab_of(self.place.lab), self.machines, self.stack, cni=self.cni, count=self.hosts, ssh=self.ssh)
        document["hosts"][0]["role"] = "control-plane"
        return {**document, "name": self.name}

    def file(self) -> str:
        """Where the file lies, written anew."""
        from lab.spec import cluster_file

        path = self.place.folder / f"{self.name}.yaml"
        path.write_text(cluster_file(self.document()), encoding="utf-8")
        return str(path)

    def create(self, *options: str) -> str:
        """Make the cluster what its file says."""
        self.place.do("create", self.file(), *options)
        return self.kubectl("get", "nodes", "-o", "wide")

    def delete(self) -> str:
        """Free all hosts that it may have; harmless where it is on none of them."""
        self.hosts = len(self.numbers)
        self.place.do("delete", self.file(), "--confirm", self.name)
        return f"free: {', '.join(machine.name for machine in self.machines)}"

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints, through the control plane's SSH connection."""
        return self.place.read("kubectl", self.name, "--", *arguments)

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """`kubectl get ... -o json`."""
        return list(json.loads(self.kubectl("get", *arguments, "-o", "json"))["items"])

    def apply(self, name: str, *objects: dict[str, Any]) -> None:
        """Apply objects from a file of that name."""
        path = self.place.folder / f"{name}.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), encoding="utf-8")
        self.kubectl("apply", "-f", str(path))
