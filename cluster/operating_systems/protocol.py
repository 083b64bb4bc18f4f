"""The interface of an operating system: package names, and the commands that install and remove packages.

Firewalls are not part of it: the facts have the program that closes a port, and the hint is for that program (cluster/rules/on_facts/firewall.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """A family of operating systems with one package manager and one set of package names."""

    title: str
    ids: tuple[str, ...]  # ID of /etc/os-release, or one of ID_LIKE
    install: str = ""  # install command without package names; "": unknown
    remove: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)  # command -> its package
    default_package: str = ""  # package of all other commands
    kernel_modules: str = ""  # package with modules that a minimal kernel lacks

    def install_hint(self, commands: Iterable[str]) -> str:
        """How to install these commands on the host."""
        names = list(commands)
        if not self.install:
            return f"install {', '.join(names)}"
        packages = sorted({self.packages.get(command, self.default_package) for command in names})
        return f"`{self.install} {' '.join(packages)}`"

    def remove_hint(self, package: str) -> str:
        """How to remove a package."""
        return f"remove the package with `{self.remove} {package}`" if self.remove else f"remove package {package}"

    @property
    def kernel_modules_hint(self) -> str:
        """The package of missing kernel modules; "" if unknown."""
        return f" (package {self.kernel_modules} has the module)" if self.kernel_modules else ""
