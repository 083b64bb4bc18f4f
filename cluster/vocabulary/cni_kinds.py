"""The kinds of pod networks."""

from __future__ import annotations

from enum import StrEnum


class CniKind(StrEnum):
    """Kind of the pod network. With `none` the owner installs it, and nodes stay NotReady until then."""

    FLANNEL = "flannel"
    CALICO = "calico"
    MANIFESTS = "manifests"
    NONE = "none"


# a name is enough for these: an option of a command can choose them
WITHOUT_FILES = tuple(kind.value for kind in CniKind if kind is not CniKind.MANIFESTS)
# whose images a bundle has
IN_BUNDLES = tuple(kind for kind in WITHOUT_FILES if kind != CniKind.NONE)
