"""What is known of an operating system: names of packages, and the commands that install and remove them.

Firewalls are not here: a host says which program closes a port, and the hint is for that program (cluster/rules/on_facts/firewall.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """A family of operating systems with one package manager and one set of package names."""

    title: str
    ids: tuple[str, ...]  # ID of /etc/os-release, or one of ID_LIKE
    install: str = ""  # before the names of packages; "": not known
    remove: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)  # command -> the package that has it
    default_package: str = ""  # of the commands that are not in `packages`
    kernel_modules: str = ""  # the package of modules that a small kernel lacks

    def install_hint(self, commands: Iterable[str]) -> str:
        """How a person gets these commands onto the host."""
        names = list(commands)
        if not self.install:
            return f"install {', '.join(names)}"
        packages = sorted({self.packages.get(command, self.default_package) for command in names})
        return f"`{self.install} {' '.join(packages)}`"

    def remove_hint(self, package: str) -> str:
        """How a person removes a package."""
        return f"remove the package with `{self.remove} {package}`" if self.remove else f"remove package {package}"

    @property
    def kernel_modules_hint(self) -> str:
        """Where modules of the kernel are that cannot be loaded; "" where no package is known."""
        return f" (package {self.kernel_modules} has the module)" if self.kernel_modules else ""
