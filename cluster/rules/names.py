"""Names of hosts and domains."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cluster.rules.registry import item_rule, spec_rule
from cluster.vocabulary.fixes import remove, replace_by
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, Host, parse_address

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
# a node's name becomes the value of the label kubernetes.io/hostname
_LONGEST_NODE_NAME = 63
_RESERVED = "retests"


def is_subdomain(text: str) -> bool:
    """Whether the string is a lowercase RFC 1123 subdomain as in Kubernetes: labels of at most 63 characters, 253 in all."""
    return len(text) <= 253 and all(len(label) <= 63 and _LABEL.fullmatch(label) for label in text.split("."))


def is_host_name(text: str) -> bool:
    """Whether the string is a DNS name and not a mistyped address such as 198.18.0.300. The last label is not a number (RFC 1123, 2.1)."""
    return is_subdomain(text) and not text.rpartition(".")[2].isdigit()


def is_address(text: str) -> bool:
    """Whether the string is an IP address."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def is_node_name(text: str) -> bool:
    """Whether a host of a cluster file can have this name."""
    return is_subdomain(text) and len(text) <= _LONGEST_NODE_NAME and not is_address(text) and text != "cluster"


def may_name_a_cluster(text: str) -> bool:
    """Whether a cluster file may have this `name`."""
    return len(text) <= 40 and text != _RESERVED and re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", text) is not None


@item_rule("malformed-node-name", "hosts")
def node_name_is_a_subdomain(spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """A node name is not a lowercase RFC 1123 subdomain of at most 63 characters (it becomes a label value), or it is an IP address."""
    if is_address(host.name):
        yield Violation(
            f"{at}.name", f'"{host.name}" is an IP address', "use a host name (`sixstack node ADDRESS` finds a node by its address)"
        )
    elif not is_subdomain(host.name):
        proposal = re.sub(r"[^a-z0-9.-]+", "-", host.name.lower()).strip("-.")[:_LONGEST_NODE_NAME].strip("-.")
        hint = f"use {proposal}" if is_subdomain(proposal) else "use lower-case letters, digits, hyphens and dots"
        fix = replace_by(_free_name(spec, proposal), f"{at}.name") if is_subdomain(proposal) else ()
        yield Violation(f"{at}.name", f"{quoted(host.name)} is not a lowercase RFC 1123 subdomain", hint, fix)
    elif len(host.name) > _LONGEST_NODE_NAME:
        yield Violation(
            f"{at}.name",
            f"{host.name} has {len(host.name)} characters, but the label kubernetes.io/hostname allows {_LONGEST_NODE_NAME}",
            f"use at most {_LONGEST_NODE_NAME} characters",
            replace_by(_free_name(spec, host.name[:_LONGEST_NODE_NAME].rstrip("-.")), f"{at}.name"),
        )


@item_rule("reserved-node-name", "hosts")
def node_name_is_not_reserved(spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """A host is named `cluster`, which plans and records call the steps of the whole cluster."""
    if host.name == "cluster":
        yield Violation(
            f"{at}.name",
            "the name cluster is reserved for steps of the whole cluster",
            f"use another name, such as {_free_name(spec, 'node-1')}",
            replace_by(_free_name(spec, "node-1"), f"{at}.name"),
        )


@spec_rule("duplicate-node-name")
def no_name_twice(spec: ClusterSpec) -> Iterator[Violation]:
    """Two hosts have the same name."""
    owners: dict[str, int] = {}
    for index, host in enumerate(spec.hosts):
        if not host.has("name"):
            continue
        if host.name in owners:
            message = f"hosts[{owners[host.name]}] also has the name {quoted(host.name)}"
            # a malformed name has a problem of its own
            fix = replace_by(_free_name(spec, host.name), f"hosts[{index}].name") if is_subdomain(host.name) else ()
            yield Violation(f"hosts[{index}].name", message, "give each host its own name", fix)
        owners.setdefault(host.name, index)


@spec_rule("malformed-dns-domain")
def dns_domain_is_a_subdomain(spec: ClusterSpec) -> Iterator[Violation]:
    """The cluster's DNS domain is not a lowercase RFC 1123 subdomain (kubeadm, ValidateDNS1123Subdomain)."""
    domain = spec.network.dns_domain
    if not is_subdomain(domain) or is_address(domain):
        yield Violation(
            "network.dns_domain",
            f"{quoted(domain)} is not a DNS domain",
            "use a lower-case domain such as cluster.local, without a trailing dot",
            remove("network.dns_domain"),
        )


@item_rule("malformed-interface", "hosts")
def interface_is_a_link_name(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """An interface name is not valid in Linux: 1 to 15 characters without slash, colon or space."""
    name = host.interface
    if name is not None and (not re.fullmatch(r"[^\s/:]{1,15}", name) or name in (".", "..")):
        yield Violation(
            f"{at}.interface",
            f"{quoted(name)} is not the name of a Linux interface",
            "use a name that `ip link` prints, such as eth0",
            remove(f"{at}.interface"),
        )


@spec_rule("reserved-cluster-name")
def cluster_name_is_not_reserved(spec: ClusterSpec) -> Iterator[Violation]:
    """The cluster is named `retests`, which the audit store calls the records of retests."""
    if spec.name == _RESERVED:
        yield Violation(
            "name",
            "the name retests is reserved for the records of retests",
            "use another name, such as retest-ipv6",
            replace_by("retest-ipv6", "name"),
        )


def _free_name(spec: ClusterSpec, wanted: str) -> str:
    """The name, or the name with the next number, that no host has."""
    names = {host.name for _, host in readable(spec.hosts) if host.has("name")}
    numbered = (f"{wanted[: _LONGEST_NODE_NAME - 5].rstrip('-.')}-{number}" for number in range(2, len(names) + 3))
    return next(name for name in (wanted, *numbered) if name not in names)
