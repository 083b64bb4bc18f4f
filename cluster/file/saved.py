"""The text of a cluster file as it is saved."""

from __future__ import annotations

from cluster.file.reader import read_text
from cluster.vocabulary.spec import ClusterSpec


def saved_text(text: str, spec: ClusterSpec) -> str:
    """The text itself with its comments; the fields of `spec` as YAML when they differ from it, as after paths became absolute."""
    if read_text(text).spec == spec:
        return text if text.endswith("\n") else f"{text}\n"
    return fields_text(spec)


def fields_text(spec: ClusterSpec) -> str:
    """The given fields as YAML, in the order of the reference: a browser sends those of a form in any order, and a person edits this text."""
    import yaml

    return str(yaml.safe_dump(spec.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True, width=120))
