"""Logins, host keys and error messages."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import HostError, HostKeyMismatch, HostUnreachable, LoginRefused
from hosts.session import Session
from hosts.transport import _Packets, open_connection
from tests.hosts.sshd import Sshd, closed_port, make_key


def authorize(server: Sshd, key: Path) -> None:
    with (server.folder / "authorized_keys").open("a") as keys:
        keys.write(key.with_suffix(".pub").read_text())


class TestKeys:
    """Private keys."""

    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("ed25519", ()),
            ("ecdsa", ("-b", "256")),
            ("ecdsa", ("-b", "521")),
            ("rsa", ("-b", "2048")),
            ("rsa", ("-b", "2048", "-m", "PEM")),
            ("ecdsa", ("-m", "PKCS8")),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
    )
    @pytest.mark.parametrize("passphrase", ["", "correct horse"], ids=["plain", "encrypted"])
    def test_a_key_of_every_type_and_format_logs_in(
        self, sshd: Sshd, tmp_path: Path, kind: str, options: tuple[str, ...], passphrase: str
    ) -> None:
        """OpenSSH's own format, PEM and PKCS8, with and without a passphrase."""
        key = make_key(tmp_path, "key", kind, passphrase, *options)
        authorize(sshd, key)
        connection = open_connection("h", sshd.ssh(), lambda _: Credential(private_key=key.read_text(), passphrase=passphrase or None))
        assert connection.alive
        connection.close()

    def test_a_missing_passphrase_a_wrong_one_and_a_damaged_key_are_told_apart(self, sshd: Sshd, tmp_path: Path) -> None:
        """Each needs another remedy, and none shows the secret."""
        key = make_key(tmp_path, "key", "ed25519", "correct horse").read_text()
        for credential, says in (
            (Credential(private_key=key), "it is encrypted, and the credential holds no passphrase"),
            (Credential(private_key=key, passphrase="battery staple"), "the passphrase does not fit"),
            (Credential(private_key="-----BEGIN NOTHING-----\nxxx"), "not a private key"),
            (Credential(), "has neither a private key, nor an SSH agent, nor a password"),
        ):

            def given(_: str, credential: Credential = credential) -> Credential:
                return credential

            with pytest.raises(LoginRefused, match=says) as refused:
                open_connection("h", sshd.ssh(), given)
            assert not any(secret in str(refused.value) for secret in credential.secrets)

    def test_a_passphrase_for_a_key_that_has_none_does_no_harm(self, sshd: Sshd) -> None:
        """The credential form has the field anyway."""
        open_connection("h", sshd.ssh(), lambda _: Credential(private_key=sshd.key.read_text(), passphrase="needless")).close()

    def test_a_key_that_the_server_does_not_know_is_refused_with_what_was_tried_and_what_is_offered(
        self, sshd: Sshd, tmp_path: Path
    ) -> None:
        """The message names user, key and the methods that sshd takes."""
        other = make_key(tmp_path, "other")
        with pytest.raises(LoginRefused, match=r"refuses the private key ssh-ed25519 SHA256:\S+ for user \S+; it takes publickey"):
            open_connection("h", sshd.ssh(), lambda _: Credential(private_key=other.read_text()))

    def test_a_password_where_the_server_takes_keys_only_is_refused_as_such(self, sshd: Sshd) -> None:
        """And the password stands nowhere in the message."""
        with pytest.raises(LoginRefused, match=r"refuses the password .* it takes publickey") as refused:
            open_connection("h", sshd.ssh(), lambda _: Credential(password="hunter-two"))
        assert "hunter-two" not in str(refused.value)


class TestHostKeys:
    """Pinned host keys."""

    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
    def test_the_pinned_type_is_asked_for(self, sshd: Sshd, kind: str) -> None:
        """A host with keys of three types shows the one that is pinned, not the one it would choose."""
        connection = open_connection("h", sshd.ssh(host_key=sshd.host_key(kind)), sshd.credential)
        assert connection.host_key == sshd.host_key(kind)
        assert not connection.first_use
        connection.close()

    def test_another_key_of_the_same_type_is_refused_with_both_fingerprints(self, sshd: Sshd, tmp_path: Path) -> None:
        """Before any credential is used."""
        other = make_key(tmp_path, "other").with_suffix(".pub").read_text()
        with pytest.raises(HostKeyMismatch) as mismatch:
            open_connection("h", sshd.ssh(host_key=other), sshd.credential)
        assert str(mismatch.value).count("SHA256:") == 2
        assert "h: the machine at 127.0.0.1:" in str(mismatch.value)

    def test_a_host_without_a_key_of_the_pinned_type_is_refused_with_both_fingerprints(
        self, own_sshd: Callable[..., Sshd], tmp_path: Path
    ) -> None:
        """The server has no ECDSA key: what it has is shown."""
        server = own_sshd(settings="HostKeyAlgorithms ssh-ed25519")
        pinned = make_key(tmp_path, "other", "ecdsa").with_suffix(".pub").read_text()
        with pytest.raises(HostKeyMismatch, match=r"presents the host key ssh-ed25519 SHA256:\S+; pinned is ecdsa-sha2-nistp256 SHA256:"):
            open_connection("h", server.ssh(host_key=pinned), server.credential)

    @pytest.mark.parametrize("text", [None, "", "ssh-ed25519", "ssh-ed25519 ???", "AAAA"])
    def test_no_pin_and_a_broken_pin_are_refused(self, sshd: Sshd, text: str | None) -> None:
        """There is no silent trust."""
        with pytest.raises(HostError, match=r"pinned|not a public key"):
            open_connection("h", sshd.ssh(host_key=text), sshd.credential)


class TestReachability:
    """Hosts that do not answer, or not as they should."""

    def test_a_closed_port_is_named_with_the_reason(self, sshd: Sshd) -> None:
        """Address, port and `connection refused`."""
        with closed_port() as port, pytest.raises(HostUnreachable, match=rf"h: 127.0.0.1:{port}: connection refused"):
            open_connection("h", sshd.ssh(port=port), sshd.credential)

    def test_a_name_that_does_not_resolve_is_reported(self, sshd: Sshd) -> None:
        """`.invalid` never resolves (RFC 6761)."""
        with pytest.raises(HostUnreachable, match=r"no-such-host\.invalid has no IP address"):
            open_connection("h", sshd.ssh(address="no-such-host.invalid"), sshd.credential)

    def test_a_server_that_is_not_ssh_is_reported(self, sshd: Sshd) -> None:
        """It accepts and closes, as a full sshd (MaxStartups) does."""
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def close_at_once() -> None:
                connection, _ = listener.accept()
                connection.close()

            threading.Thread(target=close_at_once, daemon=True).start()
            with pytest.raises(HostUnreachable, match="not as an SSH server should"):
                open_connection("h", sshd.ssh(port=listener.getsockname()[1]), sshd.credential)

    def test_a_name_with_several_addresses_is_tried_at_each(self, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server listens on 127.0.0.1 alone; the name's first address is another one."""
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda _host, port, **rest: [*real("127.0.0.2", port, **rest), *real("127.0.0.1", port, **rest)]
        )
        open_connection("h", sshd.ssh(address="two.example"), sshd.credential).close()

    def test_ipv6_is_dialled_and_named_in_brackets(self, own_sshd: Callable[..., Sshd]) -> None:
        """Any spelling of the address."""
        server = own_sshd("::1")
        open_connection("h", server.ssh(address="0:0:0:0:0:0:0:1"), server.credential).close()
        with closed_port("::1") as port, pytest.raises(HostUnreachable, match=rf"\[::1\]:{port}: connection refused"):
            open_connection("h", server.ssh(port=port), server.credential)

    def test_failed_logins_leave_no_thread_and_no_descriptor(self, sshd: Sshd, tmp_path: Path) -> None:
        """Ten failures of each kind; paramiko by itself would leave ten threads."""
        other = make_key(tmp_path, "other")
        wrong_pin = other.with_suffix(".pub").read_text()
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            with pytest.raises(LoginRefused):
                open_connection("h", sshd.ssh(), lambda _: Credential(private_key=other.read_text()))
            with pytest.raises(HostKeyMismatch):
                open_connection("h", sshd.ssh(host_key=wrong_pin), sshd.credential)
        deadline = time.monotonic() + 60  # a thread ends within a tenth of a second of its socket
        while threading.active_count() > threads and time.monotonic() < deadline:
            time.sleep(0.05)
        assert threading.active_count() <= threads
        assert len(os.listdir("/proc/self/fd")) <= descriptors


class TestJumpHosts:
    """Hosts behind a jump host."""

    def test_a_host_is_reached_through_its_jump_host(self, sshd: Sshd, own_sshd: Callable[..., Sshd]) -> None:
        """Each with its own pinned key and credential."""
        bastion = own_sshd()
        credentials = {"inner": sshd.credential(), "outer": bastion.credential()}
        session = Session.open("h", sshd.ssh(credential="inner", jump=bastion.endpoint(credential="outer")), credentials.__getitem__)
        assert session.run("echo through", limit=timedelta(seconds=10)).stdout == "through\n"
        session.close()
        assert not session.alive

    def test_every_host_has_a_connection_to_the_jump_host_of_its_own(self, sshd: Sshd, own_sshd: Callable[..., Sshd]) -> None:
        """One that breaks does not take the other down (paramiko#1115)."""
        bastion = own_sshd()
        ssh = sshd.ssh(credential="inner", jump=bastion.endpoint(credential="outer"))
        credentials = {"inner": sshd.credential(), "outer": bastion.credential()}
        first, second = (open_connection(name, ssh, credentials.__getitem__) for name in ("a", "b"))
        assert first.jump is not None
        first.jump.close()
        assert second.alive
        assert not first.alive
        first.close()
        second.close()

    def test_closing_behind_a_jump_host_that_is_gone_already_is_no_error(self) -> None:
        """The channel under a connection says its end on the jump host's, which may have broken; a stand-in, as the real case is a race."""

        class Gone:
            def close(self) -> None:
                raise EOFError

        _Packets(Gone()).close()  # type: ignore[arg-type]  # paramiko takes whatever is like a socket

    def test_a_jump_host_that_forbids_forwarding_is_named_with_the_remedy(self, sshd: Sshd, own_sshd: Callable[..., Sshd]) -> None:
        """AllowTcpForwarding no."""
        bastion = own_sshd(settings="AllowTcpForwarding no")
        credentials = {"inner": sshd.credential(), "outer": bastion.credential()}
        with pytest.raises(HostError, match=r"forbids forwarding to .*AllowTcpForwarding"):
            open_connection("h", sshd.ssh(credential="inner", jump=bastion.endpoint(credential="outer")), credentials.__getitem__)

    def test_a_host_that_its_jump_host_does_not_reach_is_reported(self, sshd: Sshd, own_sshd: Callable[..., Sshd]) -> None:
        """The jump host is fine; the port behind it is closed."""
        bastion = own_sshd()
        credentials = {"inner": sshd.credential(), "outer": bastion.credential()}
        with closed_port() as port, pytest.raises(HostUnreachable, match=rf"the jump host 127.0.0.1 does not reach 127.0.0.1:{port}"):
            open_connection(
                "h", sshd.ssh(credential="inner", port=port, jump=bastion.endpoint(credential="outer")), credentials.__getitem__
            )

    def test_a_silent_host_behind_a_jump_host_is_given_up_and_a_quiet_one_is_not(
        self, own_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The connection to the jump host lives on, so the kernel cannot tell: the host's sshd is stopped, which answers no keepalive."""
        monkeypatch.setattr("hosts.tcp.WatchedChannel.SILENCE_SECONDS", 8.0)
        monkeypatch.setattr("hosts.transport._KEEPALIVE_SECONDS", 1)
        monkeypatch.setattr("hosts.session._GRACE_SECONDS", 60.0)
        bastion, server = own_sshd(), own_sshd()
        credentials = {"inner": server.credential(), "outer": bastion.credential()}
        session = Session.open("h", server.ssh(credential="inner", jump=bastion.endpoint(credential="outer")), credentials.__getitem__)
        assert session.run("sleep 10; echo quiet", limit=timedelta(minutes=5)).stdout == "quiet\n"
        server.freeze()
        start = time.monotonic()
        with pytest.raises(HostUnreachable):
            session.run("true", limit=timedelta(minutes=5))
        assert time.monotonic() - start < 120
        session.close()
