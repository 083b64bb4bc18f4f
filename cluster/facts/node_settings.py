"""Settings of the node on a host, which only inspect-cluster compares. hosts/facts.py gathers them with a script of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.facts.host_facts import Unknown


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The installed files and the kubelet's settings of one host at one moment."""

    host: str  # name in the cluster file
    changed_files: tuple[str, ...] = ()  # installed files of the bundle whose sha256 is another one
    kubelet: Mapping[str, Any] = field(default_factory=dict)  # /var/lib/kubelet/config.yaml; {}: no file
    kubelet_flags: Mapping[str, str] = field(default_factory=dict)  # that kubeadm gives to the kubelet, without --
    unknown: tuple[Unknown, ...] = ()
