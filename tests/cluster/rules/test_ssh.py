"""SSH connections to the hosts."""

import base64

import pytest

from cluster.file.reader import read_document
from cluster.rules.ssh import hosts_with_credential
from tests.cluster.rules.conftest import Check

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + base64.b64encode(b"\x01" * 32).decode()[:43]


def key(kind: str, body: bytes = b"\x00" * 100) -> str:
    """The public key text of a blob that begins with its type."""
    return f"{kind} " + base64.b64encode(len(kind).to_bytes(4, "big") + kind.encode() + body).decode()


class TestMalformedSshAddress:
    """malformed-ssh-address."""

    @pytest.mark.parametrize(
        "address", ["[fd66::11]", "host:22", "root@host", "", "1.2.3", "198.18.0.300", "fe80::1", "::", "0.0.0.0", "a b", "under_score"]
    )
    def test_other_texts_are_refused(self, check: Check, address: str) -> None:
        """Brackets, ports, users, mistyped addresses, addresses that no host can have."""
        assert ("malformed-ssh-address", "hosts[1].ssh.address") in check({"hosts[1].ssh.address": address})

    @pytest.mark.parametrize("address", ["198.18.0.12", "fd66::12", "host-2", "Host.Example.org", "fe80::1%eth0", "127.0.0.1"])
    def test_addresses_and_names_are_accepted(self, check: Check, address: str) -> None:
        """Including a link-local address with its zone, and loopback for a forwarded port."""
        assert check({"hosts[1].ssh.address": address}) == {}

    @pytest.mark.parametrize(
        ("address", "host", "port"),
        [
            ("2001:db8:1::11:2222", "2001:db8:1::11", 2222),
            ("2001:db8:1::11:22", "2001:db8:1::11", 22),
            ("2001:db8:1::11:22022", "2001:db8:1::11", 22022),
            ("[2001:db8:1::11]:22", "2001:db8:1::11", 22),
            ("198.18.0.12:2222", "198.18.0.12", 2222),
        ],
    )
    def test_a_port_in_the_address_is_refused_with_both_fields(self, check: Check, address: str, host: str, port: int) -> None:
        """An IPv6 address with a port and no brackets is often an address too, of another machine."""
        problem = check({"hosts[1].ssh.address": address})["malformed-ssh-address", "hosts[1].ssh.address"]
        assert f"address: {host} and port: {port}" in problem.hint

    def test_an_address_that_ends_like_a_port_has_an_unambiguous_spelling(self, check: Check) -> None:
        """The one in the hint. The address of a node needs none."""
        at = "hosts[1].ssh.address"
        hint = check({at: "2001:db8:1::11:2222"})["malformed-ssh-address", at].hint
        assert check({at: hint.split()[-1]}) == {}
        assert check({at: "fd66::5:2222", "hosts[1].addresses": ["198.18.0.12", "fd66::5:2222"]}) == {}

    def test_the_rule_applies_to_jump_hosts(self, check: Check) -> None:
        """The address of a jump host is checked too."""
        jump = {"address": "[fd66::1]", "host_key": "trust-on-first-use"}
        assert ("malformed-ssh-address", "hosts[1].ssh.jump.address") in check({"hosts[1].ssh.jump": jump})


class TestMalformedSshUser:
    """malformed-ssh-user."""

    @pytest.mark.parametrize("user", ["-oProxyCommand=x", "a b", "1user", "root:x"])
    def test_other_texts_are_refused(self, check: Check, user: str) -> None:
        """Not valid as Linux user names."""
        assert ("malformed-ssh-user", "hosts[1].ssh.user") in check({"hosts[1].ssh.user": user})

    @pytest.mark.parametrize("user", ["root", "admin-1", "svc_k8s", "first.last@corp.example"])
    def test_user_names_are_accepted(self, check: Check, user: str) -> None:
        """Including users of a directory service."""
        assert check({"hosts[1].ssh.user": user}) == {}


class TestHostKeyMissing:
    """host-key-missing."""

    def test_a_missing_key_is_refused_with_the_command_that_prints_it(self, check: Check, out: object) -> None:
        """Trust on first use must be explicit."""
        assert (
            "ssh-keyscan -t ed25519 198.18.0.12" in check({"hosts[1].ssh.host_key": out})["host-key-missing", "hosts[1].ssh.host_key"].hint
        )

    def test_trust_on_first_use_is_accepted(self, check: Check) -> None:
        """The file has it explicitly."""
        assert check({"hosts[1].ssh.host_key": "trust-on-first-use"}) == {}


class TestMalformedHostKey:
    """malformed-host-key."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "ssh-ed25519",
            "ssh-ed25519 !!!",
            ED25519[:-10],
            "host " + ED25519,
            key("ssh-dss"),
            "ssh-rsa " + ED25519.split()[1],
            "trust",
            "SHA256:abc def",
            "ssh-ed25519 é",
        ],
    )
    def test_other_texts_are_refused(self, check: Check, text: str) -> None:
        """Truncated keys, keys with the wrong type, fingerprints, known_hosts lines with the host."""
        assert ("malformed-host-key", "hosts[1].ssh.host_key") in check({"hosts[1].ssh.host_key": text})

    def test_a_private_key_is_not_repeated(self, check: Check) -> None:
        """A private key in this field must not appear in the message."""
        problem = check({"hosts[1].ssh.host_key": "-----BEGIN OPENSSH PRIVATE KEY----- c2VjcmV0"})[
            "malformed-host-key", "hosts[1].ssh.host_key"
        ]
        assert "c2VjcmV0" not in str(problem)

    @pytest.mark.parametrize("text", [ED25519, ED25519 + " a comment", key("ssh-rsa"), key("ecdsa-sha2-nistp256")])
    def test_public_keys_are_accepted(self, check: Check, text: str) -> None:
        """With and without a comment."""
        assert check({"hosts[1].ssh.host_key": text}) == {}


class TestDuplicateSshEndpoint:
    """duplicate-ssh-endpoint."""

    def test_a_duplicate_endpoint_in_any_notation_is_refused(self, check: Check) -> None:
        """fd66:0::11 is fd66::11."""
        changes = {"hosts[0].ssh.address": "fd66::11", "hosts[1].ssh.address": "fd66:0:0::11"}
        assert ("duplicate-ssh-endpoint", "hosts[1].ssh.address") in check(changes)

    def test_one_address_with_two_ports_is_accepted(self, check: Check) -> None:
        """Forwarded ports of one address can be two machines."""
        changes = {
            "hosts[0].ssh.address": "203.0.113.1",
            "hosts[1].ssh": {"address": "203.0.113.1", "port": 2222, "host_key": "trust-on-first-use"},
        }
        assert check(changes) == {}

    def test_one_private_address_behind_two_jump_hosts_is_accepted(self, check: Check) -> None:
        """Two sites can use the same private addresses."""
        trust = {"host_key": "trust-on-first-use"}
        ssh = [{"address": "192.168.1.1", **trust, "jump": {"address": f"203.0.113.{n}", **trust}} for n in (1, 2)]
        assert check({"hosts[0].ssh": ssh[0], "hosts[1].ssh": ssh[1]}) == {}


class TestJumpToItself:
    """jump-to-itself."""

    def test_the_host_as_its_own_jump_host_is_refused(self, check: Check) -> None:
        """The host would be unreachable."""
        jump = {"address": "198.18.0.12", "host_key": "trust-on-first-use"}
        assert ("jump-to-itself", "hosts[1].ssh.jump.address") in check({"hosts[1].ssh.jump": jump})

    def test_another_host_of_the_cluster_is_accepted(self, check: Check) -> None:
        """The control plane can be the jump host of the workers."""
        assert check({"hosts[1].ssh.jump": {"address": "198.18.0.11", "host_key": "trust-on-first-use"}}) == {}


@pytest.mark.parametrize("address", ["198.18.0.11; reboot", "1" + "e999" * 400, "$(reboot)"])
def test_the_command_of_a_hint_has_no_text_that_is_not_an_address(check: Check, address: str) -> None:
    """host-key-missing: a person pastes the command into a shell."""
    found = check({"hosts[0].ssh": {"address": address}})
    assert "ssh-keyscan -t ed25519 ADDRESS`" in found["host-key-missing", "hosts[0].ssh.host_key"].hint


def test_the_hosts_of_a_credential_are_also_those_behind_a_jump_host_with_it() -> None:
    """Other hosts are none of them."""
    document = {
        "name": "demo",
        "stack": "ipv4",
        "hosts": [
            {"name": "a", "role": "control-plane", "ssh": {"address": "198.18.0.11", "host_key": ED25519, "credential": "ops"}},
            {"name": "b", "role": "worker", "ssh": {"address": "198.18.0.12", "host_key": ED25519, "jump": {"address": "198.18.0.9", "host_key": ED25519, "credential": "ops"}}},
            {"name": "c", "role": "worker", "ssh": {"address": "198.18.0.13", "host_key": ED25519}},
        ],
        "network": {"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"]},
    }  # fmt: skip
    spec = read_document(document).spec
    assert spec is not None
    assert [host.name for host in hosts_with_credential(spec, "ops")] == ["a", "b"]
    assert hosts_with_credential(spec, "obs") == ()
