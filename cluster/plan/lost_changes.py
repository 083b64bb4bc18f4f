"""What a restore loses: objects that were created, changed or deleted after the snapshot, from the keys of etcd then and now."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.facts.etcd_keys import NODES, Keys

MOST_LINES = 100  # of the report; all are in the record

# Kubernetes writes these by itself all the time, and again after a restore
_OWN = ("events/", "leases/", "masterleases/", "peerserverleases/", "ranges/", "events.k8s.io/")
# A change of these is the status of something else.
_STATUS = (NODES, "pods/", "services/endpoints/", "endpointslices/", "csinodes/")
_FOLDERS = {"services/specs": "services", "services/endpoints": "endpoints", "minions": "nodes"}


@dataclass(frozen=True, slots=True)
class LostChanges:
    """Objects as `RESOURCE NAMESPACE/NAME`, sorted."""

    created: tuple[str, ...] = ()  # after the snapshot: the restore removes them
    changed: tuple[str, ...] = ()  # the restore brings their earlier state back
    deleted: tuple[str, ...] = ()  # the restore brings them back

    @property
    def lines(self) -> list[str]:
        """A line with the numbers, and one for each object."""
        if not (self.created or self.changed or self.deleted):
            return ["nothing in the cluster is newer than the copy"]
        counts = f"{len(self.created)} objects were created, {len(self.changed)} changed and {len(self.deleted)} deleted after the copy"
        objects = [
            *(f"- created, removed by the restore: {name}" for name in self.created),
            *(f"- changed, earlier state restored: {name}" for name in self.changed),
            *(f"- deleted, restored: {name}" for name in self.deleted),
        ]
        more = [f"- and {len(objects) - MOST_LINES} more: see the audit record of step plan"] if len(objects) > MOST_LINES else []
        return [counts, *objects[:MOST_LINES], *more]


def lost_changes(now: Keys, then: Keys) -> LostChanges:
    """The difference between two states of one cluster."""
    created, deleted = now.keys() - then.keys(), then.keys() - now.keys()
    changed = {key for key in now.keys() & then.keys() if now[key] != then[key] and not key.startswith(_STATUS)}
    return LostChanges(*(tuple(sorted(_object(key) for key in keys if not key.startswith(_OWN))) for keys in (created, changed, deleted)))


def _object(key: str) -> str:
    """`configmaps default/x` for the key configmaps/default/x; a resource with a group has its group as a folder."""
    for folder, resource in _FOLDERS.items():
        if key.startswith(f"{folder}/"):
            return f"{resource} {key.removeprefix(f'{folder}/')}"
    first, _, rest = key.partition("/")
    if "." not in first:
        return f"{first} {rest}"
    resource, _, name = rest.partition("/")
    return f"{resource}.{first} {name}"
