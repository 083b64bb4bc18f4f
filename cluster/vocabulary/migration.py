"""Types of migration help: ordered actions, each with the page or code that it is based on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DOCS = "https://kubernetes.io/docs"
CODE = "https://github.com/kubernetes/kubernetes/blob/v1.36.3"
DUAL_STACK = f"{DOCS}/concepts/services-networking/dual-stack/"
WITH_KUBEADM = f"{DOCS}/setup/production-environment/tools/kubeadm/dual-stack-support/"
RECONFIGURE = f"{DOCS}/tasks/administer-cluster/kubeadm/kubeadm-reconfigure/"
BACKUP = f"{DOCS}/tasks/administer-cluster/configure-upgrade-etcd/#backing-up-an-etcd-cluster"
SERVICE_RANGES = f"{DOCS}/tasks/network/reconfigure-default-service-ip-ranges/"
NODE_RANGES = f"{CODE}/pkg/controller/nodeipam/ipam/range_allocator.go"
NODE_UPDATES = f"{CODE}/pkg/apis/core/validation/validation.go"
SERVICE_RANGE_UPDATES = f"{CODE}/pkg/apis/networking/validation/validation.go"

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Action:
    """One manual step."""

    what: str
    where: tuple[str, ...]  # hosts, or objects of the API
    restarts: str  # what restarts because of this action; NOTHING
    why: str
    source: str  # URL

    def as_dict(self, order: int) -> dict[str, Any]:
        """The JSON form. `order` starts at 1."""
        return {
            "order": order,
            "what": self.what,
            "where": list(self.where),
            "restarts": self.restarts,
            "why": self.why,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Migration:
    """All actions of a migration, in order."""

    change: str  # old and new value
    in_place: bool  # whether the cluster can be kept; otherwise a new cluster replaces the old one
    verdict: str
    actions: tuple[Action, ...]

    def as_dict(self) -> dict[str, Any]:
        """What `--output json` prints."""
        return {
            "change": self.change,
            "in_place": self.in_place,
            "verdict": self.verdict,
            "actions": [action.as_dict(number) for number, action in enumerate(self.actions, start=1)],
        }

    def __str__(self) -> str:
        lines = [f"{self.change}: {self.verdict}"]
        for number, action in enumerate(self.actions, start=1):
            lines += [
                f"{number:3}. {action.what}",
                f"     where: {', '.join(action.where)}",
                f"     restarts: {action.restarts}",
                f"     why: {action.why}",
                f"     see: {action.source}",
            ]
        return "\n".join(lines)
