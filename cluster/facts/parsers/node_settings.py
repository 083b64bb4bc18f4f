"""Settings of the node on the host: part node-settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.facts.parsers.sections import value, values
from cluster.vocabulary.shell_words import shell_words
from cluster.vocabulary.yaml_loader import NotYAML, load_document

_CONFIG = "kubelet-config "
# may have a token (https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/)
_SECRET_FIELDS = ("staticPodURLHeader",)


@dataclass(frozen=True, slots=True)
class FoundSettings:
    """Content of part node-settings."""

    changed_files: tuple[str, ...] = ()
    kubelet: Mapping[str, Any] = field(default_factory=dict)
    kubelet_flags: Mapping[str, str] = field(default_factory=dict)


def node_settings(text: str) -> FoundSettings:
    """Part node-settings."""
    if value(text, "digests") != "compared":
        raise ValueError("the digests of the installed files were not computed within 60 s")
    return FoundSettings(
        values(text, "changed"),
        _kubelet("\n".join(line.removeprefix(_CONFIG) for line in text.splitlines() if line.startswith(_CONFIG))),
        _flags(value(text, "kubelet-flags") or ""),
    )


def _kubelet(text: str) -> dict[str, Any]:
    try:
        document = load_document(text) if text.strip() else {}
    except NotYAML as error:
        raise ValueError(f"/var/lib/kubelet/config.yaml is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("/var/lib/kubelet/config.yaml is not a mapping")
    return {str(key): setting for key, setting in document.items() if key not in _SECRET_FIELDS}


def _flags(text: str) -> dict[str, str]:
    """Flags of an environment file of systemd: one quoted word with words."""
    words = [word for quoted in shell_words(text) for word in quoted.split()]
    return dict(word.removeprefix("--").partition("=")[::2] for word in words if word.startswith("--"))
