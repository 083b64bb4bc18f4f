"""A host that does not say what it runs, or says something that no file here is about: hints name commands, not packages."""

from __future__ import annotations

from cluster.operating_systems.protocol import OperatingSystem

UNKNOWN = OperatingSystem(title="unknown", ids=())
