"""One difference between a cluster and its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.redaction import redact

API = "API"  # where a difference is, if not on a host


class Repair(StrEnum):
    """Who repairs a difference."""

    CREATE = "create"  # the plan of create-cluster has a step for it
    UPGRADE = "upgrade"
    RENEW = "renew"
    OWNER = "owner"  # a person


# the command for each operation; an owner's difference has its own. Who prints a report writes the cluster's name or its file for CLUSTER
COMMANDS: Mapping[Repair, str] = {
    Repair.CREATE: "sixstack create CLUSTER",
    Repair.UPGRADE: "sixstack upgrade CLUSTER",
    Repair.RENEW: "sixstack renew CLUSTER",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs from the file."""

    path: str  # hosts/NAME/..., nodes/NAME, or a field of the cluster file
    expected: str
    actual: str
    where: str  # a host, or API
    repair: Repair
    command: str  # or what a person does
    step: str = ""  # id of the step of create-cluster that repairs it

    def as_dict(self) -> dict[str, str]:
        """The JSON form. Hosts and the API have written some of these texts."""
        fields = {
            "path": self.path,
            "expected": self.expected,
            "actual": self.actual,
            "where": self.where,
            "repair": self.repair.value,
            "command": self.command,
            "step": self.step,
        }
        return {name: printable(redact(text)) for name, text in fields.items()}
