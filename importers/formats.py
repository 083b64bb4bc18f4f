"""Recognises whose files are imported. One import reads the files of one tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum

from importers.choices import Choices
from importers.imported import Imported
from importers.k0sctl.convert import import_k0sctl
from importers.kubespray.convert import import_kubespray
from importers.kubespray.inventory import is_inventory, is_variables
from importers.sources import Source
from importers.tkestack.convert import import_tkestack


class Format(StrEnum):
    """The tools whose files an import reads."""

    TKESTACK = "tkestack"
    KUBESPRAY = "kubespray"
    K0SCTL = "k0sctl"


_IMPORTS: dict[Format, Callable[[Sequence[Source], Choices], Imported]] = {
    Format.TKESTACK: import_tkestack,
    Format.KUBESPRAY: import_kubespray,
    Format.K0SCTL: import_k0sctl,
}
_K0S = re.compile(r"""^["']?apiVersion["']?:\s*["']?(?:k0sctl|k0s)\.k0sproject\.io/""", re.MULTILINE)
_TKESTACK = re.compile(r"platform\.tkestack\.io/")


def recognised(sources: Sequence[Source]) -> Format:
    """The format of these files. Text without any mark of a tool is read as TKEStack's, whose import says what it expects."""
    if any(_TKESTACK.search(source.text) for source in sources):
        return Format.TKESTACK
    if any(_K0S.search(source.text) for source in sources):
        return Format.K0SCTL
    if any(is_variables(source.name) or is_inventory(source.text) for source in sources):
        return Format.KUBESPRAY
    return Format.TKESTACK


def import_files(sources: Sequence[Source], choices: Choices, *, tool: Format | None = None) -> Imported:
    """The cluster file of these files; `tool`: instead of the recognised one."""
    return _IMPORTS[tool or recognised(sources)](sources, choices)
