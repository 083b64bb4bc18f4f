"""A host with an unknown operating system. Hints have commands instead of packages."""

from __future__ import annotations

from cluster.operating_systems.protocol import OperatingSystem

UNKNOWN = OperatingSystem(title="unknown", ids=())
