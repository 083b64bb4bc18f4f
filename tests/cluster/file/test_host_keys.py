"""Host keys are written into the text of a cluster file, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.file.host_keys import read_unpinned, unpinned, with_host_keys
from cluster.file.reader import read_text
from cluster.vocabulary.host_keys import TRUST_ON_FIRST_USE

EXAMPLES = sorted((Path(__file__).parents[3] / "deployments" / "examples").glob("*.yaml"))
# public keys of no machine
KEYS = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJF6xjDGXHDhDqDGSHsyMfYqIZVLVyOPfNcRMNYzGNrZ",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBUpb7WS3iXSkcdjbxFCcCFDGEzNVZvHWBCRVRxJQZxR",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqUpW2nVRkXBHBWTKxwCGiSpGYmRDCVwVmCnV4Q0uU1",
)
REST = """network:
  pods: [{cidr: 10.244.0.0/16, node_mask: 24}]
  services: [10.96.0.0/16]
"""


def cluster(*hosts: str) -> str:
    """A cluster file with hosts whose `ssh` has these lines; a control plane and workers."""
    text = "name: demo # the name\nstack: ipv4\nhosts:\n"
    for number, ssh in enumerate(hosts):
        text += f"  - name: node-{number}\n    role: {'worker' if number else 'control-plane'}\n    {ssh}\n"
    return text + REST


def pinned(text: str) -> str:
    """The text with a key for every endpoint that trusts on first use, which must be the only change."""
    spec = read_unpinned(text).spec
    assert spec is not None, read_unpinned(text).problems
    keys = {path: KEYS[at] for at, (path, *_) in enumerate(unpinned(spec))}
    changed = with_host_keys(text, keys)
    assert changed is not None
    reading = read_text(changed)
    assert reading.spec is not None, reading.problems
    assert list(unpinned(reading.spec)) == []
    return changed


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_keeps_every_comment_and_every_other_line(path: Path) -> None:
    """Each line is the same, but for the keys in it."""
    text = path.read_text()
    changed = pinned(text)
    for key in KEYS:
        changed = changed.replace(key, TRUST_ON_FIRST_USE)
    assert changed == text


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize(
    ("ssh", "expected"),
    [
        ("ssh: {address: 192.0.2.1, host_key: trust-on-first-use} # x", f"ssh: {{address: 192.0.2.1, host_key: {KEYS[0]}}} # x"),
        ("ssh: {host_key: 'trust-on-first-use', address: 192.0.2.1}", f"ssh: {{host_key: {KEYS[0]}, address: 192.0.2.1}}"),
        ("ssh: {address: 192.0.2.1}", f"ssh: {{address: 192.0.2.1, host_key: {KEYS[0]}}}"),
        ('ssh: {"address": "192.0.2.1"}', f'ssh: {{"address": "192.0.2.1", "host_key": "{KEYS[0]}"}}'),
        ("ssh: {address: 192.0.2.1, host_key: }", f"ssh: {{address: 192.0.2.1, host_key: {KEYS[0]} }}"),
        ("ssh:\n      address: 192.0.2.1 # a\n      port: 2222", f"ssh:\n      address: 192.0.2.1 # a\n      host_key: {KEYS[0]}\n      port: 2222"),
        ("ssh:\n      port: 2222\n\n      address: '192.0.2.1'", f"ssh:\n      port: 2222\n\n      address: '192.0.2.1'\n      host_key: {KEYS[0]}"),
        ("ssh:\n      address: 192.0.2.1\n      host_key:", f"ssh:\n      address: 192.0.2.1\n      host_key: {KEYS[0]}"),
        ("ssh:\n      host_key: ~\n      address: 192.0.2.1", f"ssh:\n      host_key: {KEYS[0]}\n      address: 192.0.2.1"),
    ],
    ids=["flow", "flow, quoted", "flow, missing", "JSON, missing", "flow, empty", "block, missing", "block, missing in the last line", "block, empty", "block, null"],
)  # fmt: skip
def test_a_key_is_written_into_every_layout(ssh: str, expected: str, newline: str) -> None:
    """In flow and block style, in place of `trust-on-first-use`, of nothing, or of a missing line."""
    assert pinned(cluster(ssh).replace("\n", newline)) == cluster(expected).replace("\n", newline)


def test_a_jump_host_and_its_host_get_their_own_keys() -> None:
    """Each in its own mapping."""
    text = cluster("ssh: {address: 10.0.0.1, jump: {address: 192.0.2.1, host_key: trust-on-first-use}, host_key: trust-on-first-use}")
    jump, host = KEYS[:2]
    assert f"jump: {{address: 192.0.2.1, host_key: {jump}}}, host_key: {host}}}" in pinned(text)


def test_json_stays_json() -> None:
    """With quotes around the key."""
    import json

    import yaml

    text = json.dumps(
        yaml.safe_load(cluster("ssh: {address: 192.0.2.1}", "ssh: {address: 192.0.2.2, host_key: trust-on-first-use}")), indent=1
    )
    document = json.loads(pinned(text))
    assert [host["ssh"]["host_key"] for host in document["hosts"]] == list(KEYS[:2])


def test_fields_that_come_from_an_anchor_get_a_line_of_their_own() -> None:
    """The key of one machine must not become that of another."""
    text = cluster(
        "ssh: &all {address: 192.0.2.1, port: 2222, host_key: trust-on-first-use}",
        "ssh: {<<: *all, address: 192.0.2.2}",
        "ssh:\n      <<: *all\n      address: 192.0.2.3",
    )
    assert f"ssh: {{<<: *all, address: 192.0.2.2, host_key: {KEYS[1]}}}" in pinned(text)


def test_aliases_of_the_value_are_replaced_too() -> None:
    """All of them, since the anchor goes with the first one."""
    text = cluster("ssh: {address: 192.0.2.1, host_key: &key trust-on-first-use}", "ssh: {address: 192.0.2.2, host_key: *key}")
    assert "*key" not in pinned(text)


def test_a_jump_host_that_is_an_alias_is_written_once() -> None:
    """Two hosts share one mapping, and one machine."""
    text = cluster(
        f"ssh: {{address: 10.0.0.1, host_key: {KEYS[3]}, jump: &jump {{address: 192.0.2.1, host_key: trust-on-first-use}}}}",
        f"ssh: {{address: 10.0.0.2, host_key: {KEYS[2]}, jump: *jump}}",
    )
    changed = with_host_keys(text, {"hosts[0].ssh.jump": KEYS[0], "hosts[1].ssh.jump": KEYS[0]})
    assert changed == text.replace("trust-on-first-use", KEYS[0])


@pytest.mark.parametrize(
    "second",
    ["ssh: {<<: *all, address: 192.0.2.2}", "ssh: {address: 192.0.2.2, host_key: *key}"],
    ids=["the key of a merged mapping", "an alias whose anchor goes"],
)
def test_a_text_that_would_pin_another_machine_is_refused(second: str) -> None:
    """Only the first machine has a key: the other would inherit it, or lose its anchor."""
    text = cluster("ssh: &all {address: 192.0.2.1, host_key: &key trust-on-first-use}", second)
    assert with_host_keys(text, {"hosts[0].ssh": KEYS[0]}) is None


def test_a_file_with_other_problems_stays_unread() -> None:
    """They are reported as by `sixstack check`; a missing host key is no problem here."""
    reading = read_unpinned(cluster("ssh: {address: 192.0.2.1, prot: 22}"))
    assert reading.spec is None
    assert [problem.code for problem in reading.problems] == ["unknown-field"]
    assert read_unpinned(": : :").spec is None
