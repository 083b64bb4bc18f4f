"""Host keys that are recorded in memory, in place of a cluster's block."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.vocabulary.host_keys import RecordedHostKey


@dataclass
class KeysInMemory:
    """The recorded keys of a cluster; `other_run` has keys that another run records before this one does."""

    cluster: str = "demo"
    keys: dict[str, RecordedHostKey] = field(default_factory=dict)
    other_run: dict[str, RecordedHostKey] = field(default_factory=dict)

    def find(self, endpoint: str) -> RecordedHostKey | None:
        """The key of an endpoint."""
        return self.keys.get(endpoint)

    def record(self, first: RecordedHostKey) -> RecordedHostKey:
        """Record a key, unless the endpoint has one."""
        self.keys = {**self.other_run, **self.keys}
        return self.keys.setdefault(first.endpoint, first)
