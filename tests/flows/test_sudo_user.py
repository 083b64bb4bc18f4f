"""The whole life of a cluster whose hosts are all reached as a user who is not root, and whose sudo asks for a password."""

from __future__ import annotations

from typing import Any

import pytest

from lab import hosts
from lab.base import OPS_USER
from tests import lived_in
from tests.conftest import LAB
from tests.flows.conftest import BareHosts

pytestmark = [pytest.mark.long, pytest.mark.lab, pytest.mark.server, pytest.mark.bundle, pytest.mark.timeout(1800)]


def test_a_cluster_comes_is_verified_and_goes_without_a_login_as_root(bare: BareHosts) -> None:
    """Two hosts with an owner's files, rules, units and mounts; all is as before, and sudo was asked for a password each time."""
    document: dict[str, Any] = bare.document
    document["hosts"] = document["hosts"][:2]
    for number in (1, 2):
        bare.ops(document, number, f"ops-{LAB}")
    lived_in.live_in(LAB)
    try:
        before = bare.look()
        file, name = bare.place.write("sudo-user.yaml", document), document["name"]
        for arguments in (("plan", file), ("create", file), ("verify", file), ("plan", file), ("delete", file, "--confirm", name)):
            done = bare.place.sixstack(*arguments, limit=900)
            assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
        assert lived_in.changes(before, bare.look()) == []
    finally:
        lived_in.move_out(LAB)
    for host in document["hosts"]:
        logins = hosts.run_in(host["name"], ["journalctl", "-q", "--no-pager", "-t", "sshd", "-g", "Accepted .* for "], LAB).stdout
        assert f" for {OPS_USER} " in logins
        asked = hosts.run_in(host["name"], ["journalctl", "-q", "--no-pager", "-t", "sudo", "-g", "COMMAND="], LAB).stdout.splitlines()
        assert asked
        assert not [line for line in asked if "COMMAND=/usr/bin/timeout -k 5 " not in line and " a password is required" not in line]
