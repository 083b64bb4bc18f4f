"""`trust-on-first-use`: the first key of a machine is recorded, and every later connection must present it."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import Bug, EnvironmentFault, HostError, HostKeyMismatch, HostUnreachable, LoginRefused
from cluster.vocabulary.host_keys import TRUST_ON_FIRST_USE, RecordedHostKey, fingerprint
from hosts.host_keys import Sshd as Machine
from hosts.host_keys import jump_of
from hosts.session import Session
from hosts.session_pool import SessionPool
from hosts.transport import open_connection, read_host_key
from tests.hosts.keys_in_memory import KeysInMemory
from tests.hosts.sshd import Sshd, make_key

LOGGED = "LogLevel DEBUG1"  # sshd then logs every login that is tried
TRIED = "userauth-request for user"


def no_credential(name: str) -> Credential:
    """For connections that must not need a login."""
    raise EnvironmentFault(f"there is no block {name}")


def first(key: str, endpoint: str) -> RecordedHostKey:
    """A record of a key."""
    return RecordedHostKey(
        host="node-1", endpoint=endpoint, fingerprint=fingerprint(key), recorded=datetime(2026, 11, 26, 8, 30, tzinfo=UTC), key=key
    )


def trusting(server: Sshd, **changes: object) -> Machine:
    """A server whose cluster file says `trust-on-first-use`."""
    return Machine("node-1", "node-1", server.endpoint(host_key=TRUST_ON_FIRST_USE, **changes))


class TestFirstUse:
    """The first login."""

    def test_the_first_key_is_recorded_with_host_endpoint_fingerprint_and_time(self, own_sshd: Callable[..., Sshd]) -> None:
        """The block of the cluster shows them."""
        server, keys, before = own_sshd(), KeysInMemory(), datetime.now(UTC).replace(microsecond=0)
        session = Session.open("node-1", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential, keys)
        (record,) = keys.keys.values()
        assert (record.host, record.endpoint, record.key) == ("node-1", f"127.0.0.1:{server.port}", server.host_key())
        assert session.first_uses == (record.fingerprint,)
        assert record.fingerprint.startswith("ssh-ed25519 SHA256:")
        assert before <= record.recorded <= datetime.now(UTC)
        session.close()

    def test_the_recorded_fingerprint_is_that_of_ssh_keygen(self, own_sshd: Callable[..., Sshd]) -> None:
        """The owner compares it with what the machine's console prints."""
        server, keys = own_sshd(), KeysInMemory()
        open_connection("node-1", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential, keys).close()
        (record,) = keys.keys.values()
        printed = subprocess.run(
            ["ssh-keygen", "-lf", server.folder / "host_ed25519.pub"], capture_output=True, text=True, check=True
        ).stdout
        assert record.fingerprint == f"ssh-ed25519 {printed.split()[1]}"

    def test_nothing_is_recorded_when_the_login_fails(self, own_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
        """A wrong address is often noticed by a refused login: its key must not count as known."""
        server, keys, other = own_sshd(), KeysInMemory(), make_key(tmp_path, "other")
        with pytest.raises(LoginRefused):
            open_connection("h", server.ssh(host_key=TRUST_ON_FIRST_USE), lambda _: Credential(private_key=other.read_text()), keys)
        assert keys.keys == {}

    def test_a_first_key_is_refused_where_nothing_records_it(self, own_sshd: Callable[..., Sshd]) -> None:
        """Before a login is tried: a caller that forgets the record must not trust every key."""
        server = own_sshd(settings=LOGGED)
        with pytest.raises(Bug):
            open_connection("h", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential)
        assert TRIED not in server.log()

    def test_a_record_that_cannot_be_written_ends_the_connection(self, own_sshd: Callable[..., Sshd]) -> None:
        """Without the record the key is not trusted."""

        class NoServer(KeysInMemory):
            def record(self, first: RecordedHostKey) -> RecordedHostKey:  # noqa: ARG002
                raise EnvironmentFault("the Prefect server cannot be reached")

        server = own_sshd()
        with pytest.raises(EnvironmentFault):
            open_connection("h", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential, NoServer())

    def test_a_pinned_key_needs_no_record(self, own_sshd: Callable[..., Sshd]) -> None:
        """Neither read nor written."""

        class Unused(KeysInMemory):
            def find(self, endpoint: str) -> RecordedHostKey | None:
                raise AssertionError(endpoint)

            def record(self, first: RecordedHostKey) -> RecordedHostKey:
                raise AssertionError(first)

        server = own_sshd()
        connection = open_connection("h", server.ssh(), server.credential, Unused())
        assert not connection.first_use
        connection.close()


class TestEveryLaterUse:
    """Connections after the first login."""

    def test_the_recorded_key_passes_and_is_not_recorded_again(self, own_sshd: Callable[..., Sshd]) -> None:
        """The time of the first use stays."""
        server, keys = own_sshd(), KeysInMemory()
        ssh = server.ssh(host_key=TRUST_ON_FIRST_USE)
        open_connection("node-1", ssh, server.credential, keys).close()
        recorded = dict(keys.keys)
        second = open_connection("node-1", ssh, server.credential, keys)
        assert not second.first_use
        assert keys.keys == recorded
        second.close()

    def test_another_key_on_the_same_port_is_refused_with_both_fingerprints_before_a_login(self, own_sshd: Callable[..., Sshd]) -> None:
        """The alarm has the command that forgets the recorded key; the record stays."""
        server, keys = own_sshd(settings=LOGGED), KeysInMemory()
        ssh = server.ssh(host_key=TRUST_ON_FIRST_USE)
        open_connection("node-1", ssh, server.credential, keys).close()
        assert TRIED in server.log()
        (record,) = keys.keys.values()
        server.reinstall("ed25519")
        with pytest.raises(HostKeyMismatch) as mismatch:
            open_connection("node-1", ssh, server.credential, keys)
        assert f"presents the host key {fingerprint(server.host_key())}; " in mismatch.value.found
        assert mismatch.value.found.endswith(f"UTC is {record.fingerprint}")
        assert "sixstack pin demo --forget node-1" in mismatch.value.hint
        assert TRIED not in server.log()
        assert keys.keys == {record.endpoint: record}

    def test_a_key_of_another_type_than_the_recorded_one_is_refused_before_a_login(self, own_sshd: Callable[..., Sshd]) -> None:
        """The machine has no key of the recorded type any more."""
        server, keys = own_sshd(settings=LOGGED, host_keys=("ed25519", "ecdsa")), KeysInMemory()
        ssh = server.ssh(host_key=TRUST_ON_FIRST_USE)
        open_connection("node-1", ssh, server.credential, keys).close()
        server.reinstall("ecdsa")
        with pytest.raises(HostKeyMismatch, match=r"presents the host key ecdsa-\S+ SHA256:\S+; recorded on .* is ssh-ed25519 SHA256:"):
            open_connection("node-1", ssh, server.credential, keys)
        assert TRIED not in server.log()

    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
    def test_a_server_with_keys_of_several_types_must_present_the_recorded_one(self, sshd: Sshd, kind: str) -> None:
        """Only that type is requested: no false alarm because the server, or this program, prefers another type."""
        name = f"127.0.0.1:{sshd.port}"
        keys = KeysInMemory(keys={name: first(sshd.host_key(kind), name)})
        connection = open_connection("h", sshd.ssh(host_key=TRUST_ON_FIRST_USE), sshd.credential, keys)
        assert connection.host_key == sshd.host_key(kind)
        connection.close()

    def test_a_reconnect_within_a_run_compares_too(self, own_sshd: Callable[..., Sshd]) -> None:
        """The session of a pool is opened again after its connection was lost."""
        server, sessions = own_sshd(), SessionPool(KeysInMemory())
        host = server.host(host_key=TRUST_ON_FIRST_USE)
        opened = sessions.session(host, server.credential)
        server.reinstall("ed25519")
        opened._connection.transport.join(5)
        with pytest.raises(HostKeyMismatch):
            sessions.session(host, server.credential)
        sessions.close()

    def test_a_key_that_another_run_recorded_meanwhile_is_compared(self, own_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
        """Both runs saw an endpoint without a record, and the machine at the other end was another one."""
        server, other = own_sshd(), " ".join(make_key(tmp_path, "other").with_suffix(".pub").read_text().split()[:2])
        name = f"127.0.0.1:{server.port}"
        keys = KeysInMemory(other_run={name: first(other, name)})
        with pytest.raises(HostKeyMismatch):
            open_connection("node-1", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential, keys)
        keys = KeysInMemory(other_run={name: first(server.host_key(), name)})
        open_connection("node-1", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential, keys).close()

    @pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 ???", "ssh-ed25519 AAAA", "nothing AAAA"])
    def test_a_damaged_record_trusts_nothing(self, own_sshd: Callable[..., Sshd], text: str) -> None:
        """Somebody edited the block."""
        server = own_sshd(settings=LOGGED)
        name = f"127.0.0.1:{server.port}"
        keys = KeysInMemory(keys={name: first(server.host_key(), name).model_copy(update={"key": text})})
        with pytest.raises(HostError, match="the recorded host key of"):
            open_connection("node-1", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential, keys)
        assert TRIED not in server.log()

    def test_a_pin_in_the_cluster_file_has_precedence_over_the_record(self, own_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
        """The owner has written it."""
        server, name = own_sshd(), "127.0.0.1:{}"
        other = " ".join(make_key(tmp_path, "other").with_suffix(".pub").read_text().split()[:2])
        keys = KeysInMemory(keys={(at := name.format(server.port)): first(other, at)})
        open_connection("node-1", server.ssh(), server.credential, keys).close()


class TestEndpoints:
    """What is one machine."""

    def test_two_ports_of_one_address_are_two_machines(self, own_sshd: Callable[..., Sshd]) -> None:
        """Port forwarding on a gateway."""
        one, two, keys = own_sshd(), own_sshd(), KeysInMemory()
        for server in (one, two, one, two):
            open_connection("h", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential, keys).close()
        assert {name: record.key for name, record in keys.keys.items()} == {
            f"127.0.0.1:{server.port}": server.host_key() for server in (one, two)
        }

    def test_all_spellings_of_an_ipv6_address_are_one_machine(self, own_sshd: Callable[..., Sshd]) -> None:
        """The name has brackets, with any port."""
        server, keys = own_sshd("::1"), KeysInMemory()
        for address in ("0:0:0:0:0:0:0:1", "::1", "0::1"):
            open_connection("h", server.ssh(address=address, host_key=TRUST_ON_FIRST_USE), server.credential, keys).close()
        assert list(keys.keys) == [f"[::1]:{server.port}"]
        server.reinstall("ed25519")
        with pytest.raises(HostKeyMismatch):
            open_connection("h", server.ssh(address="0::1", host_key=TRUST_ON_FIRST_USE), server.credential, keys)

    def test_jump_host_and_host_are_recorded_both(self, own_sshd: Callable[..., Sshd]) -> None:
        """The host's endpoint includes its jump host: private addresses exist more than once."""
        bastion, server, keys = own_sshd(), own_sshd(), KeysInMemory()
        credentials = {"inner": server.credential(), "outer": bastion.credential()}
        jump = bastion.endpoint(credential="outer", host_key=TRUST_ON_FIRST_USE)
        ssh = server.ssh(credential="inner", host_key=TRUST_ON_FIRST_USE, jump=jump)
        session = Session.open("node-1", ssh, credentials.__getitem__, keys)
        assert len(session.first_uses) == 2
        session.close()
        outer = f"127.0.0.1:{bastion.port}"
        assert {name: (record.host, record.key) for name, record in keys.keys.items()} == {
            outer: ("jump host", bastion.host_key()),
            f"127.0.0.1:{server.port} via {outer}": ("node-1", server.host_key()),
        }

    def test_another_key_of_a_jump_host_is_refused_before_a_login_to_either(self, own_sshd: Callable[..., Sshd]) -> None:
        """The command names the endpoint, since a jump host has no name."""
        bastion, server, keys = own_sshd(settings=LOGGED), own_sshd(settings=LOGGED), KeysInMemory()
        credentials = {"inner": server.credential(), "outer": bastion.credential()}
        ssh = server.ssh(credential="inner", jump=bastion.endpoint(credential="outer", host_key=TRUST_ON_FIRST_USE))
        open_connection("node-1", ssh, credentials.__getitem__, keys).close()
        tried = server.log().count(TRIED)
        bastion.reinstall("ed25519")
        with pytest.raises(HostKeyMismatch, match=rf"sixstack pin demo --forget 127.0.0.1:{bastion.port}"):
            open_connection("node-1", ssh, credentials.__getitem__, keys)
        assert TRIED not in bastion.log()
        assert server.log().count(TRIED) == tried

    def test_another_key_behind_a_jump_host_is_refused_before_a_login_to_the_host(self, own_sshd: Callable[..., Sshd]) -> None:
        """Also when the type of the key has changed, which takes a second connection through the jump host."""
        bastion, server, keys = own_sshd(), own_sshd(settings=LOGGED, host_keys=("ed25519", "rsa")), KeysInMemory()
        credentials = {"inner": server.credential(), "outer": bastion.credential()}
        ssh = server.ssh(credential="inner", host_key=TRUST_ON_FIRST_USE, jump=bastion.endpoint(credential="outer"))
        open_connection("node-1", ssh, credentials.__getitem__, keys).close()
        for kind in ("ed25519", "rsa"):
            server.reinstall(kind)
            with pytest.raises(HostKeyMismatch) as mismatch:
                open_connection("node-1", ssh, credentials.__getitem__, keys)
            assert str(mismatch.value).count("SHA256:") == 2
            assert TRIED not in server.log()


class TestReadingAKey:
    """`sixstack pin` asks a machine for its key without a login."""

    def test_the_key_is_read_without_a_login_and_not_recorded(self, own_sshd: Callable[..., Sshd]) -> None:
        """It is for a person to compare."""
        server, keys = own_sshd(settings=LOGGED), KeysInMemory()
        assert read_host_key(trusting(server), no_credential, keys) == server.host_key()
        assert read_host_key(trusting(server), no_credential) == server.host_key()
        assert keys.keys == {}
        assert TRIED not in server.log()

    def test_a_recorded_key_is_compared(self, own_sshd: Callable[..., Sshd]) -> None:
        """A machine that presents another key must not be pinned by accident."""
        server, keys = own_sshd(), KeysInMemory()
        open_connection("node-1", server.ssh(host_key=TRUST_ON_FIRST_USE), server.credential, keys).close()
        assert read_host_key(trusting(server), no_credential, keys) == server.host_key()
        server.reinstall("ed25519")
        with pytest.raises(HostKeyMismatch):
            read_host_key(trusting(server), no_credential, keys)

    def test_a_key_behind_a_jump_host_takes_a_login_to_the_jump_host_only(self, own_sshd: Callable[..., Sshd]) -> None:
        """The jump host's key is checked first, as in every run."""
        bastion, server = own_sshd(), own_sshd(settings=LOGGED)
        jump = bastion.endpoint(user=getpass.getuser())
        machine = Machine("node-1", "node-1", server.endpoint(host_key=TRUST_ON_FIRST_USE), jump)
        assert read_host_key(machine, bastion.credential, KeysInMemory()) == server.host_key()
        assert TRIED not in server.log()
        bastion.reinstall("ed25519")
        with pytest.raises(HostKeyMismatch):
            read_host_key(Machine("node-1", "node-1", machine.endpoint, jump), bastion.credential, KeysInMemory())

    def test_a_machine_that_does_not_answer_is_reported(self, own_sshd: Callable[..., Sshd]) -> None:
        """As for every connection."""
        server = own_sshd()
        server.stop()
        with pytest.raises(HostUnreachable):
            read_host_key(jump_of("node-1", server.endpoint(host_key=TRUST_ON_FIRST_USE)), no_credential)
