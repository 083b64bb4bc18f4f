"""The machines of documents as hosts of a cluster file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.file.literals import read_address
from cluster.rules.labels import label_owner, taint_owner
from cluster.rules.names import is_subdomain
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.families import Address, Family, family_of
from cluster.vocabulary.partial import join_path
from cluster.vocabulary.spec import Role
from importers.choices import Choices
from importers.fields import Fields
from importers.logins import Logins
from importers.tkestack.logins import read_credential

_KUBEADM_TAINTS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


@dataclass(frozen=True, slots=True)
class SshEndpoint:
    """The SSH endpoint of a machine or of its jump host, with user and credential."""

    fields: Fields
    address: Address
    port: int
    user: str
    credential: Credential | None


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of a document."""

    role: Role
    ssh: SshEndpoint
    jump: SshEndpoint | None
    name: str  # of the Machine document; "" for machines of a Cluster
    labels: Mapping[str, str]
    taints: tuple[dict[str, str], ...]


def read_machine(fields: Fields, role: Role, choices: Choices, name: str = "") -> Machine | None:
    """A machine of a Cluster (or the spec of a Machine); None when it has no usable address."""
    labels = _labels(fields, choices)
    taints = _taints(fields)
    jump = _jump(fields.section("proxy"))
    ssh = _read_ssh(fields)
    return None if ssh is None else Machine(role, ssh, jump, name, labels, taints)


def host_document(
    machine: Machine, index: int, families: tuple[Family, ...] | None, interface: str, logins: Logins, choices: Choices
) -> dict[str, Any]:
    """An item of `hosts`; `families` is None if the ranges have errors."""
    at, ssh = f"hosts[{index}]", machine.ssh
    report = ssh.fields.report
    report.set_origin(at, ssh.fields.path)
    host: dict[str, Any] = {
        "name": choices.names.get(ssh.address) or _proposed_name(machine, index, logins.cluster),
        "role": machine.role.value,
        "ssh": _endpoint(ssh, f"{at}.ssh", logins, choices),
    }
    if machine.jump is not None:
        host["ssh"]["jump"] = _endpoint(machine.jump, f"{at}.ssh.jump", logins, choices)
    if families == (family_of(ssh.address),):
        # also the node's address in TKEStack; in dual-stack it is one of two, and the file needs both or none
        host["addresses"] = [str(ssh.address)]
    if interface:
        host["interface"] = interface
    if machine.labels:
        host["labels"] = dict(machine.labels)
    if machine.taints:
        host["taints"] = list(machine.taints)
    return host


def _proposed_name(machine: Machine, index: int, cluster: str) -> str:
    proposed = re.sub(r"[^a-z0-9.-]+", "-", machine.name.lower()).strip("-.")[:63].strip("-.")
    return proposed if is_subdomain(proposed) else f"{cluster}-{index + 1}"


def _read_ssh(fields: Fields) -> SshEndpoint | None:
    """Address, port, user and secrets; None without a usable address."""
    report = fields.report
    credential = read_credential(fields)
    port = fields.number("port", 0, 65535)
    if port == 0:
        report.changed(fields.at("port"), "hosts[].ssh.port: 22", "0 is not a port")
    elif port is not None:
        report.taken(fields.at("port"), "hosts[].ssh.port")
    user = fields.text("username")
    if user:
        report.taken(fields.at("username"), "hosts[].ssh.user")
    found = fields.value("ip")
    if found is None or found == "":
        report.fault("missing-field", fields.at("ip"), "ip is missing", "Write the address of sshd on this machine.")
        return None
    address, fault = read_address(found)
    if fault is not None or address is None:
        report.fault("not-an-address", fields.at("ip"), "not an IP address", "Write an address such as 198.18.0.11 or fd66::11.")
        return None
    if str(address) == found:
        report.taken(fields.at("ip"), "hosts[].ssh.address")
    else:
        report.changed(fields.at("ip"), f"hosts[].ssh.address: {address}", "the canonical spelling of the address")
    return SshEndpoint(fields, address, port or 22, user or "root", credential)


def _jump(proxy: Fields) -> SshEndpoint | None:
    kind = proxy.text("type")
    if not proxy.value("ip"):
        return None
    if kind in ("SSHJumpServer", ""):
        if kind:
            proxy.report.taken(proxy.at("type"), "hosts[].ssh.jump")
        return _read_ssh(proxy)
    proxy.report.not_taken(proxy.path, f"hosts are reached directly or through an SSH jump host, not through {kind}")
    return None


def _endpoint(ssh: SshEndpoint, at: str, logins: Logins, choices: Choices) -> dict[str, Any]:
    report = ssh.fields.report
    report.set_origin(f"{at}.address", ssh.fields.at("ip"))
    report.set_origin(f"{at}.user", ssh.fields.at("username"))
    endpoint: dict[str, Any] = {"address": str(ssh.address)}
    if ssh.port != 22:
        endpoint["port"] = ssh.port
    endpoint["user"] = ssh.user
    if ssh.credential is not None:
        endpoint["credential"] = logins.block(ssh.user, ssh.credential)
    else:
        endpoint["credential"] = "default"
        report.added(f"{at}.credential: default", f"{ssh.fields.path} has neither password nor privateKey")
    if key := choices.host_key(ssh.address, ssh.port):
        endpoint["host_key"] = key
    return endpoint


def _labels(fields: Fields, choices: Choices) -> dict[str, str]:
    taken = {}
    for path, key, value in fields.pairs("labels"):
        if (owner := label_owner(key, tkestack=choices.tkestack_labels)) is not None:
            fields.report.not_taken(path, f"{owner.rstrip(',')} sets this label")
        else:
            taken[key] = value
            fields.report.taken(path, join_path("hosts[].labels", key))
    return taken


def _taints(fields: Fields) -> tuple[dict[str, str], ...]:
    taken = []
    for taint in fields.sections("taints"):
        key = taint.text("key")
        if key in _KUBEADM_TAINTS:
            fields.report.not_taken(taint.path, "kubeadm sets the taint of a control plane")
        elif (owner := taint_owner(key)) is not None:
            fields.report.not_taken(taint.path, f"{owner} set this taint")
        else:
            taken.append({name: text for name in ("key", "value", "effect") if (text := taint.text(name))})
            for name in taken[-1]:
                fields.report.taken(taint.at(name), f"hosts[].taints[].{name}")
    return tuple(taken)
