"""Reads Ansible inventories: groups, hosts and variables, each with the place where it is written. Nothing is evaluated or decrypted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cluster.vocabulary.partial import UNREAD
from cluster.vocabulary.shell_words import LONGEST_LINE, LineTooLong, shell_words
from importers.fields import child_path
from importers.report import Report
from importers.sources import Source, read_documents

VAULT = "$ANSIBLE_VAULT"
_VARIABLES = re.compile(r"(?:^|/)(group_vars|host_vars)/([^/]+)")
_TAG = re.compile(r"((?:^|[:-])[ \t]+)!(?:vault|unsafe)\b", re.MULTILINE)
_SECTION = re.compile(r"\[([^\]:]+)(?::(children|vars))?\]\s*(?:[#;].*)?")
# names before kubespray 2.16, and the hyphens of Ansible's older group names
_ALIASES = {"kube_master": "kube_control_plane", "kube_controlplane": "kube_control_plane"}
_PARTS = ("hosts", "children", "vars")


@dataclass(frozen=True, slots=True)
class Variable:
    """The value of a variable, and its path for reports."""

    path: str
    value: object


@dataclass
class Group:
    """A group: hosts and groups in the order of the files, and variables."""

    path: str = ""
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    variables: list[dict[str, Variable]] = field(default_factory=list)  # the later ones have precedence


@dataclass
class Inventory:
    """All groups, and the variables of each host itself."""

    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, list[dict[str, Variable]]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        """The group of this name, created on first use."""
        return self.groups.setdefault(group_name(name), Group())

    def members(self, name: str) -> tuple[str, ...]:
        """The hosts of a group and of the groups in it."""
        found: dict[str, None] = {}
        for group in self._with_children(name):
            found |= self.groups[group].hosts
        return tuple(found)

    def variables_of(self, host: str) -> dict[str, Variable]:
        """The variables of a host: of `all`, then of its groups from the outer to the inner ones, then its own."""
        groups = [name for name in self.groups if name != "all" and host in self.members(name)]
        # a group has more groups in it than each of these
        groups.sort(key=lambda name: (-len(self._with_children(name)), name))
        found: dict[str, Variable] = {}
        for layer in (
            *(self.groups["all"].variables if "all" in self.groups else ()),
            *(v for name in groups for v in self.groups[name].variables),
        ):
            found |= layer
        for layer in self.hosts.get(host, ()):
            found |= layer
        return found

    def variables(self) -> Iterator[tuple[str, Variable]]:
        """Name and place of every variable."""
        for layers in (*(group.variables for group in self.groups.values()), *self.hosts.values()):
            for layer in layers:
                yield from layer.items()

    def _with_children(self, name: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            each = waiting.pop()
            if each in self.groups and each not in found:
                found[each] = None
                waiting += self.groups[each].children
        return tuple(found)


def group_name(name: str) -> str:
    """The current name of a group of kubespray."""
    plain = name.replace("-", "_")
    return _ALIASES.get(plain, plain)


def is_inventory(text: str) -> bool:
    """Whether a text is an inventory of kubespray or a part of one."""
    return bool(re.search(r"^\s*\[?(kube[_-](node|master|control[_-]?plane)|k8s[_-]cluster)\b", text, re.MULTILINE))


def is_variables(name: str) -> bool:
    """Whether a file has variables of a group or host, by its path."""
    return _VARIABLES.search(name.replace("\\", "/")) is not None


def read_inventory(sources: Sequence[Source], report: Report) -> Inventory:
    """The inventory of all files. Variable files come last: they have precedence over the variables of groups in inventories."""
    inventory = Inventory()
    for source in sorted(sources, key=lambda source: is_variables(source.name)):
        if source.text.startswith(VAULT):
            report.not_taken(source.name, "the file is encrypted with ansible-vault, and is not decrypted")
        elif is_variables(source.name):
            _read_variables(source, inventory, report)
        elif source.text.lstrip("-# \t\r\n").startswith("[") or re.search(r"^\[[^\]]+\]\s*$", source.text, re.MULTILINE):
            _read_ini(source, inventory, report)
        else:
            _read_yaml(source, inventory, report)
    return inventory


def _documents(source: Source, inventory: Inventory, report: Report) -> Iterator[tuple[str, Mapping[str, object]]]:
    # without its tag, an encrypted value is a text that begins with $ANSIBLE_VAULT
    plain = Source(source.name, _TAG.sub(r"\1", source.text))
    for path, data in read_documents(plain, report, inventory.lines):
        if isinstance(data, dict):
            yield path, data
        elif data is not None:
            report.fault("wrong-type", path.removesuffix(": "), "expected a mapping", "Pass an inventory, or a file of variables.")


def _read_variables(source: Source, inventory: Inventory, report: Report) -> None:
    match = _VARIABLES.search(source.name.replace("\\", "/"))
    assert match is not None
    owner = PurePosixPath(match[2]).stem if match[2].endswith((".yml", ".yaml", ".json")) else match[2]
    if not any(line.strip() and not line.lstrip().startswith("#") and line.strip() != "---" for line in source.text.splitlines()):
        return
    for path, data in _documents(source, inventory, report):
        layer = _layer(data, path)
        if match[1] == "host_vars":
            inventory.hosts.setdefault(owner, []).append(layer)
        else:
            inventory.group(owner).variables.append(layer)


def _layer(data: object, path: str) -> dict[str, Variable]:
    if not isinstance(data, dict):
        return {}
    return {str(name): Variable(child_path(path, str(name)), value) for name, value in data.items() if value is not UNREAD}


def _read_yaml(source: Source, inventory: Inventory, report: Report) -> None:
    for path, data in _documents(source, inventory, report):
        for name, group in data.items():
            _read_group(str(name), group, child_path(path, str(name)), inventory, report)


def _read_group(name: str, data: object, path: str, inventory: Inventory, report: Report) -> None:
    group = inventory.group(name)
    group.path = group.path or path
    if data is None or data is UNREAD:
        return
    if not isinstance(data, dict):
        report.fault("wrong-type", path, "expected a mapping of hosts, children and vars", "Write a group of an Ansible inventory.")
        return
    parts = {part: value if isinstance(value := data.get(part), dict) else {} for part in _PARTS}
    for host, variables in parts["hosts"].items():
        group.hosts[str(host)] = None
        inventory.hosts.setdefault(str(host), []).append(_layer(variables, child_path(child_path(path, "hosts"), str(host))))
    if layer := _layer(parts["vars"], child_path(path, "vars")):
        group.variables.append(layer)
    for child, inner in parts["children"].items():
        group.children[group_name(str(child))] = None
        _read_group(str(child), inner, child_path(child_path(path, "children"), str(child)), inventory, report)
    for other in data:
        if other not in _PARTS:
            report.not_taken(child_path(path, str(other)), "a group of an Ansible inventory has hosts, children and vars")


def _read_ini(source: Source, inventory: Inventory, report: Report) -> None:
    group, kind = "ungrouped", None
    for number, raw in enumerate(source.text.splitlines(), start=1):
        line, path = raw.strip(), f"{source.name}: line {number}"
        if not line or line[0] in "#;" or line == "---":
            continue
        if match := _SECTION.fullmatch(line):
            group, kind = match[1].strip(), match[2]
            inventory.group(group).path = inventory.group(group).path or path
        elif kind == "vars":
            name, _, value = line.partition("=")
            inventory.group(group).variables.append({name.strip(): Variable(f"{path}: {name.strip()}", _unquoted(value.strip()))})
        elif kind == "children":
            inventory.group(group).children[group_name(line.split("#")[0].strip())] = None
            inventory.group(line.split("#")[0].strip())
        else:
            _read_host(line, path, group, inventory, report)
        inventory.lines[path] = number


def _read_host(line: str, path: str, group: str, inventory: Inventory, report: Report) -> None:
    try:
        name, *words = shell_words(line, comments=True)
    except LineTooLong as fault:
        report.fault("syntax", path, str(fault), f"Write it in several lines: one has at most {LONGEST_LINE:,} characters.")
        return
    except ValueError:
        report.fault("syntax", path, "a quote is not closed", "Close the quote on the same line.")
        return
    if any(":" in part.partition("[")[2] for part in name.split("]")[:-1]):
        report.fault("host-range", path, "a range of hosts is not expanded", "Write one line for each host.")
        return
    inventory.group(group).hosts[name] = None
    layer = {}
    for word in words:
        key, _, value = word.partition("=")
        layer[key] = Variable(f"{path}: {key}", value)
    inventory.hosts.setdefault(name, []).append(layer)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
