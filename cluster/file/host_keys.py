"""Set `host_key` in the text of a cluster file. Comments, order and formatting stay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import yaml

from cluster.file.reader import Reading, read_text
from cluster.vocabulary.host_keys import TRUST_ON_FIRST_USE
from cluster.vocabulary.spec import ClusterSpec, Endpoint

_ALIAS = re.compile(r"\s*:\s*(\*[^\s,\[\]{}]+)")  # the value after a field's name


def read_unpinned(text: str) -> Reading:
    """Read a cluster file, which may also have no host keys: such an endpoint gets `trust-on-first-use`."""
    reading = read_text(text)
    missing = {problem.path.removesuffix(".host_key") for problem in reading.problems if problem.code == "host-key-missing"}
    return read_text(_set(text, dict.fromkeys(missing, TRUST_ON_FIRST_USE))) if missing else reading


def with_host_keys(text: str, keys: Mapping[str, str]) -> str | None:
    """The text with the keys (path of the endpoint, as `hosts[0].ssh` -> key). None when anything else would change, for example through an alias."""
    spec, changed = read_unpinned(text).spec, _set(text, keys)
    return changed if spec is not None and read_unpinned(changed).spec == _pinned(spec, keys) else None


def unpinned(spec: ClusterSpec) -> Iterator[tuple[str, str, Endpoint, Endpoint | None]]:
    """Path, host name, endpoint and jump host of each endpoint with `trust-on-first-use`. Jump hosts come before their hosts."""
    for index, host in enumerate(spec.hosts):
        path, jump = f"hosts[{index}].ssh", host.ssh.jump
        if jump is not None and jump.host_key == TRUST_ON_FIRST_USE:
            yield f"{path}.jump", host.name, jump, None
        if host.ssh.host_key == TRUST_ON_FIRST_USE:
            yield path, host.name, host.ssh, jump


def _pinned(spec: ClusterSpec, keys: Mapping[str, str]) -> ClusterSpec:
    hosts = []
    for index, host in enumerate(spec.hosts):
        path, ssh = f"hosts[{index}].ssh", host.ssh
        if path in keys:
            ssh = ssh.model_copy(update={"host_key": keys[path]})
        if ssh.jump is not None and f"{path}.jump" in keys:
            ssh = ssh.model_copy(update={"jump": ssh.jump.model_copy(update={"host_key": keys[f"{path}.jump"]})})
        hosts.append(host.model_copy(update={"ssh": ssh}))
    return spec.model_copy(update={"hosts": tuple(hosts)})


def _set(text: str, keys: Mapping[str, str]) -> str:
    """The text with the keys; without those whose endpoint has no place in the text."""
    try:
        # the loader in Python: its marks count characters of the text
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return text
    edits = {_edit(text, node, key) for path, key in keys.items() if (node := _at(root, path)) is not None}
    for begin, end, new in sorted(edits, reverse=True):  # from the end of the text, so that the other places stay valid
        text = text[:begin] + new + text[end:]
    return text


def _at(node: yaml.Node | None, path: str) -> yaml.MappingNode | None:
    """The mapping at a path; None when it has no text of its own, for example when it comes from a merge (`<<`)."""
    for part in re.findall(r"\w+", path):
        if isinstance(node, yaml.SequenceNode) and part.isdigit():
            node = node.value[int(part)]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == part), None)
        else:
            return None
    return node if isinstance(node, yaml.MappingNode) and node.value else None


def _edit(text: str, node: yaml.MappingNode, key: str) -> tuple[int, int, str]:
    """Begin, end and replacement that set the key of one endpoint."""
    fields = {name.value: (name, value) for name, value in node.value}
    first = node.value[0][0]
    quote = '"' if first.style == '"' else ""  # JSON
    if found := fields.get("host_key"):
        name, value = found
        if alias := _ALIAS.match(text, name.end_mark.index):
            return alias.start(1), alias.end(1), key
        begin, end = value.start_mark.index, value.end_mark.index
        return begin, end, f"{'' if text[begin - 1 : begin].isspace() else ' '}{quote}{key}{quote}"
    new = f"{quote}host_key{quote}: {quote}{key}{quote}"
    name, value = fields.get("address", (first, first))
    if value.start_mark.index <= name.start_mark.index:  # no address here, or an alias, whose marks are those of its anchor
        begin = first.start_mark.index
        return begin, begin, f"{new}, " if node.flow_style else f"{new}{_newline(text)}{' ' * first.start_mark.column}"
    begin = value.end_mark.index
    if node.flow_style:
        return begin, begin, f", {new}"
    line_end = re.compile(r"\r?\n|\r|\Z").search(text, begin)
    assert line_end is not None  # \Z
    begin = line_end.start()  # after the comment of the address
    return begin, begin, f"{_newline(text)}{' ' * name.start_mark.column}{new}"


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
