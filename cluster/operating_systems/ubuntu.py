"""Ubuntu and its descendants: Debian's packages, and kernels that keep some modules in a package of their own. Not tested: hints alone."""

from __future__ import annotations

from dataclasses import replace

from cluster.operating_systems.debian import DEBIAN

UBUNTU = replace(DEBIAN, title="Ubuntu", ids=("ubuntu",), kernel_modules="linux-modules-extra-$(uname -r)")
