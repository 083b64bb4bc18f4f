"""Command-line arguments of the components: their names and values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cluster.kubeadm.component_settings import DEFAULT_NODE_PORTS, NODE_PORTS_ARGUMENT, component_ports, node_ports, parse_port_range
from cluster.rules.component_arguments import ARGUMENTS, ArgumentType, arguments_of
from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.releases import minor_of, minor_text
from cluster.vocabulary.spec import ClusterSpec

_NODE_PORTS_PATH = f"kubeadm.extra_args.apiserver.{NODE_PORTS_ARGUMENT}"
# the syntax of Go's strconv.ParseBool, strconv.ParseInt with base 0 and time.ParseDuration
_VALUES = {
    ArgumentType.BOOLEAN: re.compile(r"1|t|T|true|TRUE|True|0|f|F|false|FALSE|False"),
    # a leading zero means octal: 010 is 8, and 08 is refused
    ArgumentType.INTEGER: re.compile(r"[-+]?(0|[1-9][0-9]*|0[xX][0-9a-fA-F]+)", re.ASCII),
    ArgumentType.DURATION: re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII),
    ArgumentType.STRING: re.compile(r".*", re.DOTALL),
}


@spec_rule("argument-value")
def argument_values_can_be_parsed(spec: ClusterSpec) -> Iterator[Violation]:
    """The value of a command-line argument has the wrong type, so the component would not start."""
    for component, name, value, at in _arguments(spec):
        expected = ARGUMENTS[component].get(name, ArgumentType.STRING)
        if not _VALUES[expected].fullmatch(value):
            wanted = f"{expected.value} without leading zeros" if expected is ArgumentType.INTEGER else expected.value
            yield Violation(
                at,
                f"expected {expected.value}, got {quoted(value)}",
                f"write {wanted}, in quotes",
                remove(f"kubeadm.extra_args.{component}", name),
            )


@spec_rule("unknown-argument", Severity.WARNING)
def arguments_are_known(spec: ClusterSpec) -> Iterator[Violation]:
    """The component's --help does not list the argument. Either the argument is hidden, or the component does not start."""
    minor = minor_of(spec.version)
    for component, name, _, at in _arguments(spec):
        known = arguments_of(component, minor)
        if name not in known:
            near = nearest_name(name, known)
            message = f"the --help of {component} in Kubernetes {minor_text(minor)} does not list the argument {quoted(name)}"
            parent = f"kubeadm.extra_args.{component}"
            yield Violation(at, message, f"did you mean {near}?" if near else "remove it", remove(parent, name))


@spec_rule("malformed-node-port-range")
def node_port_range_can_be_parsed(spec: ClusterSpec) -> Iterator[Violation]:
    """The range of node ports is not FIRST-LAST, FIRST+MORE or one port, so the API server would not start."""
    text = spec.kubeadm.extra_args.get("apiserver", {}).get(NODE_PORTS_ARGUMENT)
    try:
        if text is not None:
            parse_port_range(text)
    except ValueError:
        example = f"{DEFAULT_NODE_PORTS.start}-{DEFAULT_NODE_PORTS.stop - 1}"
        message = f"{quoted(text or '')} is not a range of ports"
        yield Violation(_NODE_PORTS_PATH, message, f'write for example "{example}"', remove(_NODE_PORTS_PATH))


@spec_rule("node-ports-contain-component-port")
def node_ports_are_not_ports_of_components(spec: ClusterSpec) -> Iterator[Violation]:
    """The range of node ports contains a port of a component of the cluster. A service can then take this port away from the component."""
    ports = node_ports(spec)
    if inside := [component for component in component_ports(spec) if component.port in ports]:
        listed = ", ".join(f"{component.port} ({component.part})" for component in inside)
        example = f"{DEFAULT_NODE_PORTS.start}-{DEFAULT_NODE_PORTS.stop - 1}"
        message = f"the node ports {ports.start} to {ports.stop - 1} contain {listed}"
        if any(component.port in DEFAULT_NODE_PORTS for component in inside):
            yield Violation(_NODE_PORTS_PATH, message, "give the components other ports, or write a range without these ports")
            return
        hint = f'write a range without these ports, for example "{example}"'
        yield Violation(_NODE_PORTS_PATH, message, hint, remove(_NODE_PORTS_PATH))


def _arguments(spec: ClusterSpec) -> Iterator[tuple[str, str, str, str]]:
    """Component, name, value and path of each argument; rule malformed-argument reports malformed names."""
    for component, arguments in spec.kubeadm.extra_args.items():
        for name, value in arguments.items():
            if re.fullmatch(r"[a-z0-9.-]+", name) and not name.startswith("-"):
                yield component, name, value, join_path(f"kubeadm.extra_args.{component}", name)
