"""The entries of clusters in a person's own kubeconfig: added, replaced and removed in its YAML, where everything else keeps its values.

An entry of ours has the extension `sixstack`. An entry without it belongs to the person and is never changed, also when its name is that of a cluster.
The YAML is changed as nodes: a loader and dumper of values would turn a text such as `2026-11-26` into a date. Comments are lost, as with kubectl.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.yaml_loader import BoundedLoader

EXTENSION = "sixstack"
_KINDS = {"clusters": "cluster", "users": "user", "contexts": "context"}


class Refused(EnvironmentFault):
    """The kubeconfig cannot get the entries."""


class KubeconfigText:
    """One kubeconfig as YAML nodes."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        try:
            root = yaml.compose(text, Loader=BoundedLoader)
        except (yaml.YAMLError, ValueError):
            raise Refused(f"{source} is not YAML and stays as it is") from None
        if root is None:
            root = _node({"apiVersion": "v1", "kind": "Config"})
        if not isinstance(root, yaml.MappingNode):
            raise Refused(f"{source} is not a YAML mapping and stays as it is")
        self._root = root

    @property
    def current_context(self) -> str:
        """The name of the current context; "" when there is none."""
        node = self._value("current-context")
        return node.value if isinstance(node, yaml.ScalarNode) and not node.tag.endswith(":null") else ""

    def owner_of(self, cluster: str) -> dict[str, bool]:
        """For each list with an entry of this name: whether the entry is ours."""
        return {kind: self._authority_of(entry, body) is not None for kind, body in _KINDS.items() if (entry := self._entry(kind, cluster))}

    def authority_of(self, cluster: str) -> str | None:
        """The certificate authority for which our entry of this name was written."""
        entry = self._entry("clusters", cluster)
        return None if entry is None else self._authority_of(entry, "cluster")

    def put(self, document: Mapping[str, Any], cluster: str, authority: str) -> None:
        """Add the entries of a kubeconfig of `named_after`, or replace ours. A namespace that the person set in our context stays."""
        extension = [{"name": EXTENSION, "extension": {"cluster": cluster, "authority": authority}}]
        for kind, body in _KINDS.items():
            fields = {**document[kind][0][body], "extensions": extension}
            old = self._entry(kind, cluster)
            if kind == "contexts" and old is not None:
                namespace = _get(_get(old, body), "namespace")
                if isinstance(namespace, yaml.ScalarNode):
                    fields = {**fields, "namespace": namespace.value}
            new = _node({"name": cluster, body: fields})
            entries = self._list(kind)
            entries.value[:] = [new if entry is old else entry for entry in entries.value] if old is not None else [*entries.value, new]

    def remove(self, cluster: str) -> None:
        """Remove our entries of this name."""
        for kind, body in _KINDS.items():
            entry = self._entry(kind, cluster)
            if entry is not None and self._authority_of(entry, body) is not None:
                entries = self._list(kind)
                entries.value[:] = [other for other in entries.value if other is not entry]

    def use(self, context: str) -> None:
        """Set the current context."""
        self._set("current-context", _node(context))

    def __str__(self) -> str:
        return str(yaml.serialize(self._root, Dumper=yaml.SafeDumper, allow_unicode=True, width=4096))

    def _list(self, kind: str) -> yaml.SequenceNode:
        node = self._value(kind)
        if node is None or node.tag.endswith(":null"):
            node = _node([])
            self._set(kind, node)
        if not isinstance(node, yaml.SequenceNode):
            raise Refused(f"{self._source}: `{kind}` is not a list; the file stays as it is")
        node.flow_style = node.flow_style and bool(node.value)
        return node

    def _entry(self, kind: str, name: str) -> yaml.Node | None:
        node = self._value(kind)
        entries = node.value if isinstance(node, yaml.SequenceNode) else []
        return next((entry for entry in entries if getattr(_get(entry, "name"), "value", None) == name), None)

    @staticmethod
    def _authority_of(entry: yaml.Node, body: str) -> str | None:
        extensions = _get(_get(entry, body), "extensions")
        for extension in extensions.value if isinstance(extensions, yaml.SequenceNode) else []:
            if getattr(_get(extension, "name"), "value", None) == EXTENSION:
                return str(getattr(_get(_get(extension, "extension"), "authority"), "value", ""))
        return None

    def _value(self, key: str) -> yaml.Node | None:
        return _get(self._root, key)

    def _set(self, key: str, value: yaml.Node) -> None:
        pairs = [(name, value if name.value == key else old) for name, old in self._root.value]
        if not any(name.value == key for name, _ in pairs):
            pairs.append((_node(key), value))
        self._root.value[:] = pairs


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _node(value: object) -> Any:
    return yaml.SafeDumper(None).represent_data(value)  # type: ignore[arg-type]
