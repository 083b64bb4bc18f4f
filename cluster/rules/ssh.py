"""SSH connections to the hosts."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

from cluster.rules.names import is_address, is_host_name
from cluster.rules.registry import spec_rule
from cluster.vocabulary.fixes import Fix, add, remove, replace_by
from cluster.vocabulary.host_keys import TRUST_ON_FIRST_USE
from cluster.vocabulary.hostport import canonical_host, split_host_port, unbracketed_port
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import ClusterSpec, Endpoint, Host

# host key types of OpenSSH that hosts/ can verify; OpenSSH 10 removed DSA
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._@-]{0,255}\$?", re.ASCII)


def endpoints(spec: ClusterSpec) -> Iterator[tuple[str, Endpoint]]:
    """Path and endpoint of every host and jump host that could be read."""
    for index, host in enumerate(spec.hosts):
        if host.has("ssh"):
            yield f"hosts[{index}].ssh", host.ssh
            if host.ssh.has("jump") and host.ssh.jump is not None:
                yield f"hosts[{index}].ssh.jump", host.ssh.jump


def hosts_with_credential(spec: ClusterSpec, name: str) -> tuple[Host, ...]:
    """The hosts that use an SSH credential block, for themselves or for their jump host."""
    return tuple(host for host in spec.hosts if name in {host.ssh.credential, host.ssh.jump.credential if host.ssh.jump else None})


@spec_rule("malformed-ssh-address")
def ssh_address_is_an_address_or_name(spec: ClusterSpec) -> Iterator[Violation]:
    """An SSH address is neither an IP address without brackets nor a DNS name, it ends with a port, or it is link-local and has no zone."""
    nodes = {str(address) for host in spec.hosts if host.has("addresses") for _, address in readable(host.addresses)}
    for path, endpoint in endpoints(spec):
        if not endpoint.has("address"):
            continue
        text = endpoint.address
        try:
            address = ip_address(text)
        except ValueError:
            if not is_host_name(text.lower()):
                message = f"{quoted(text)} is neither an IP address nor a DNS name"
                yield Violation(f"{path}.address", message, *_intended(text, path))
            continue
        if str(address) not in nodes and unbracketed_port(text) is not None:
            hint = f"{_intended(text, path)[0]}; if all of it is the address, write {address.exploded}"
            yield Violation(f"{path}.address", f"{quoted(text)} is an address, or an address and a port", hint)
        elif address.is_unspecified or address.is_multicast:
            yield Violation(f"{path}.address", f"{quoted(text)} cannot be the address of a host", "write the address of sshd")
        elif isinstance(address, IPv6Address) and address.is_link_local and address.scope_id is None:
            yield Violation(f"{path}.address", f"{address} is link-local and has no zone", f"write {address}%INTERFACE, or another address")


@spec_rule("malformed-ssh-user")
def ssh_user_is_a_login(spec: ClusterSpec) -> Iterator[Violation]:
    """The SSH user is not a valid Linux user name."""
    for path, endpoint in endpoints(spec):
        if endpoint.has("user") and not _USER.fullmatch(endpoint.user):
            yield Violation(
                f"{path}.user",
                f"{quoted(endpoint.user)} is not a user name",
                "write a user name such as root or admin",
                remove(f"{path}.user"),
            )


@spec_rule("host-key-missing")
def host_keys_are_pinned(spec: ClusterSpec) -> Iterator[Violation]:
    """An SSH endpoint has no pinned host key. `trust-on-first-use` must be explicit."""
    for path, endpoint in endpoints(spec):
        if endpoint.has("host_key") and endpoint.host_key is None:
            # a person pastes the command into a shell, so it has no text that is not an address
            known = endpoint.has("address") and (is_address(endpoint.address) or is_host_name(endpoint.address.lower()))
            address = endpoint.address if known else "ADDRESS"
            hint = (
                f"write the key that `ssh-keyscan -t ed25519 {address}` prints after the address, as `sixstack pin FILE` does, "
                f"or {TRUST_ON_FIRST_USE}"
            )
            yield Violation(f"{path}.host_key", "the host key is missing", hint)


@spec_rule("malformed-host-key")
def host_key_is_a_public_key(spec: ClusterSpec) -> Iterator[Violation]:
    """A host key is neither `TYPE BASE64` of type ed25519, ecdsa or rsa, as in known_hosts without the host, nor `trust-on-first-use`."""
    for path, endpoint in endpoints(spec):
        if not endpoint.has("host_key") or endpoint.host_key in (None, TRUST_ON_FIRST_USE):
            continue
        assert endpoint.host_key is not None
        if (fault := key_fault(endpoint.host_key)) is not None:
            hint = f"write `ssh-ed25519 AAAA...` as `ssh-keyscan` prints it after the address, or {TRUST_ON_FIRST_USE}"
            yield Violation(f"{path}.host_key", fault, hint)


@spec_rule("duplicate-ssh-endpoint")
def no_endpoint_twice(spec: ClusterSpec) -> Iterator[Violation]:
    """Two hosts have the same SSH address and port (behind the same jump host)."""
    owners: dict[tuple[object, ...], int] = {}
    for index, host in enumerate(spec.hosts):
        if not host.has("ssh") or not all(host.ssh.has(name) for name in ("address", "port", "jump")):
            continue
        jump = host.ssh.jump
        if jump is not None and not (jump.has("address") and jump.has("port")):
            continue
        behind = None if jump is None else (canonical_host(jump.address), jump.port)
        key = (canonical_host(host.ssh.address), host.ssh.port, behind)
        if key in owners:
            message = f"{quoted(host.ssh.address)} port {host.ssh.port} is also the SSH endpoint of hosts[{owners[key]}]"
            yield Violation(f"hosts[{index}].ssh.address", message, "list each host once, with its own address")
        owners.setdefault(key, index)


@spec_rule("jump-to-itself")
def jump_host_is_another_machine(spec: ClusterSpec) -> Iterator[Violation]:
    """A jump host is the host itself."""
    for index, host in enumerate(spec.hosts):
        if not (host.has("ssh") and host.ssh.has("jump") and host.ssh.has("address")) or host.ssh.jump is None:
            continue
        jump = host.ssh.jump
        if jump.has("address") and (canonical_host(jump.address), jump.port) == (canonical_host(host.ssh.address), host.ssh.port):
            yield Violation(
                f"hosts[{index}].ssh.jump.address",
                f"{quoted(jump.address)} is the host itself",
                "remove `jump`",
                remove(f"hosts[{index}].ssh.jump"),
            )


def key_fault(text: str) -> str | None:  # noqa: PLR0911 one a fault
    """The fault of a public host key, or None."""
    parts = text.split()
    if "PRIVATE KEY" in text:
        return "this is a private key"
    if len(parts) < 2:
        return "the value is not a key type and a base64 string"
    kind, encoded = parts[0], parts[1]
    if kind not in KEY_TYPES:
        if parts[1] in KEY_TYPES:
            return "the value begins with a host name"
        return f"{quoted(kind)} is not one of {', '.join(KEY_TYPES)}"
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return f"the string after {kind} is not base64"
    # the blob begins with its own type as a string with a length of four bytes (RFC 4253, 6.6)
    if blob[:4] != len(kind).to_bytes(4, "big") or blob[4 : 4 + len(kind)] != kind.encode():
        return f"the base64 string is not a key of type {kind}"
    if kind == "ssh-ed25519" and len(blob) != 51:
        return f"an ed25519 key has 51 bytes, but this key has {len(blob)}"
    return None


def _intended(text: str, path: str) -> tuple[str, Fix]:
    """Hint and fix of an SSH address with brackets or a port."""
    if text.startswith("[") and text.endswith("]") and is_address(text[1:-1]):
        return f"write {text[1:-1]}, without brackets", replace_by(text[1:-1], f"{path}.address")
    parts = unbracketed_port(text)
    try:
        host, port = parts or split_host_port(text)
    except ValueError:
        host, port = "", 0
    if not is_address(host) and not is_host_name(host.lower()):
        return "write an IP address or a DNS name, and the port as `port`", ()
    return f"write address: {host} and port: {port}", (*replace_by(host, f"{path}.address"), *add(port, f"{path}.port"))
