"""Ubuntu and its derivatives: Debian's packages, and a separate package for some kernel modules. Not tested, only for hints."""

from __future__ import annotations

from dataclasses import replace

from cluster.operating_systems.debian import DEBIAN

UBUNTU = replace(DEBIAN, title="Ubuntu", ids=("ubuntu",), kernel_modules="linux-modules-extra-$(uname -r)")
