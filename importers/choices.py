"""What the user of an import decides beyond the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.file.known_hosts import known_host_key
from cluster.vocabulary.families import Address
from cluster.vocabulary.host_keys import TRUST_ON_FIRST_USE


@dataclass(frozen=True, slots=True)
class Choices:
    """Host names by address, known host keys, trust on first use, pod network (None: that of the files, else Calico), TKEStack's node labels."""

    names: Mapping[Address, str] = field(default_factory=dict)
    known_hosts: str = ""
    trust_on_first_use: bool = False
    tkestack_labels: bool = False
    pod_network: str | None = None

    def host_key(self, address: str | Address, port: int) -> str | None:
        """`ssh.host_key` of a machine; None when the user has decided nothing about it."""
        return known_host_key(self.known_hosts, address, port) or (TRUST_ON_FIRST_USE if self.trust_on_first_use else None)
