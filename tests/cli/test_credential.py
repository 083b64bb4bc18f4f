"""`sixstack credential`: logins in a real Prefect server, tried by its worker on real SSH servers."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.main import main
from tests.conftest import CommandLines, Workplace
from tests.hosts.sshd import Sshd, make_key, start_sshd

READ_CREDENTIALS = str(Path(__file__).with_name("read_credentials.py"))
PASSPHRASE, SUDO = "canary of a passphrase", "canary of a sudo password"


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A machine."""
    server = start_sshd(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def agent_socket(tmp_path: Path) -> Iterator[str]:
    """An ssh-agent without keys."""
    path = str(tmp_path / "agent.sock")
    printed = subprocess.run(["ssh-agent", "-a", path], check=True, capture_output=True, text=True).stdout
    yield path
    with suppress(ProcessLookupError):
        os.kill(int(printed.partition("SSH_AGENT_PID=")[2].partition(";")[0]), signal.SIGTERM)


class TestWithoutServer:
    """What cannot be used is refused before a server is asked."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "neither a private key, nor an SSH agent, nor a password"),
            (("--sudo-password",), "neither a private key"),
            (("--key", "/nowhere/key"), "cannot be read"),
            (("--key", __file__), "not a private key"),
            (("--agent-key", __file__, "--key", __file__), "not a private key"),
        ],
    )
    def test_a_login_that_cannot_work_is_2(
        self, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the reason."""
        monkeypatch.setattr(sys, "stdin", None)
        assert main(["credential", "add", "ops", *arguments]) == 2
        assert words in capsys.readouterr().err

    def test_a_name_that_no_block_can_have_is_2(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With the characters that it can have."""
        with pytest.raises(SystemExit) as ended:
            main(["credential", "add", "my_key", "--key", __file__])
        assert ended.value.code == 2
        assert "'my_key'" in capsys.readouterr().err

    def test_all_wrong_options_are_reported_before_a_secret_is_asked_for(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A private key in place of a public one would be stored in an open field."""
        monkeypatch.setattr("cli.terminal_questions.ask_secret", lambda _: pytest.fail("asked for a secret"))
        private = make_key(tmp_path, "key", "ed25519", "")
        wrong = ["--agent-key", str(private), "--key", str(tmp_path / "none"), "--password"]
        assert main(["credential", "add", "ops", *wrong]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert [words in line for words, line in zip(("needs --ssh-agent", "none", "no public key"), lines, strict=True)] == [True] * 3


@pytest.mark.server
class TestAdd:
    """Blocks in a real server."""

    def test_an_encrypted_key_and_a_sudo_password_are_saved_and_never_shown(self, prefect_server: Workplace, tmp_path: Path) -> None:
        """Secrets are lines of standard input; another login is kept, until --overwrite."""
        key = make_key(tmp_path, "key", "ed25519", PASSPHRASE)
        command = ("credential", "add", "typed", "--key", str(key), "--sudo-password")
        with CommandLines() as lines:
            done = prefect_server.sixstack(*command, feed=f"{PASSPHRASE}\n{SUDO}\n", own_start=True)
        assert done.returncode == 0, done.stderr
        assert "created" in done.stdout
        assert prefect_server.sixstack(*command, feed=f"{PASSPHRASE}\n{SUDO}\n").stdout.startswith("ssh-credential/typed: unchanged")
        differs = prefect_server.sixstack(*command, feed=f"{PASSPHRASE}\nanother\n")
        assert differs.returncode == 1
        assert "--overwrite" in differs.stderr
        wrong = prefect_server.sixstack(*command, feed="wrong\n")
        assert wrong.returncode == 2
        assert "the passphrase does not fit" in wrong.stderr
        printed = done.stdout + done.stderr + differs.stdout + differs.stderr + wrong.stderr
        assert PASSPHRASE not in printed
        assert SUDO not in printed
        assert [line for line in lines.seen if PASSPHRASE in line or SUDO in line] == []
        saved = prefect_server.python(READ_CREDENTIALS, feed='["typed"]').stdout
        assert PASSPHRASE in saved
        assert SUDO in saved

    def test_an_agent_is_saved_with_what_it_has_now(self, prefect_server: Workplace, agent_socket: str) -> None:
        """A socket without an agent is a warning: the worker may be elsewhere."""
        empty = prefect_server.sixstack("credential", "add", "agent", "--ssh-agent", agent_socket)
        assert empty.returncode == 0, empty.stderr
        assert "has no key" in empty.stderr
        missing = prefect_server.sixstack("credential", "add", "agent", "--ssh-agent", "/nowhere/agent.sock", "--overwrite")
        assert missing.returncode == 0
        assert "the worker must reach the socket" in missing.stderr


def cluster_file(folder: Path, server: Sshd, credential: str) -> str:
    """A cluster of the machine."""
    ssh = f"{{address: {server.address}, port: {server.port}, user: {getpass.getuser()}, credential: {credential}, host_key: {server.host_key()}}}"
    network = "network:\n  pods: [{cidr: 10.244.0.0/16}]\n  services: [10.96.0.0/16]\n"
    path = folder / "tried.yaml"
    path.write_text(f"name: tried\nstack: ipv4\nhosts:\n  - {{name: node-1, role: control-plane, ssh: {ssh}}}\n{network}")
    return str(path)


@pytest.mark.server
def test_the_worker_logs_in_with_a_key_and_with_an_agent(prefect_server: Workplace, sshd: Sshd, agent_socket: str, tmp_path: Path) -> None:
    """And reports which machine refuses; a saved cluster is found by the name of the block."""
    subprocess.run(["ssh-add", "-q", str(sshd.key)], env={**os.environ, "SSH_AUTH_SOCK": agent_socket}, check=True, capture_output=True)
    for name, option in (("by-key", ("--key", str(sshd.key))), ("by-agent", ("--ssh-agent", agent_socket))):
        assert prefect_server.sixstack("credential", "add", name, *option, "--overwrite").returncode == 0
        done = prefect_server.sixstack("credential", "test", name, "--cluster", cluster_file(tmp_path, sshd, name))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "logged in as root to 1 host: node-1" in done.stdout
    unused = prefect_server.sixstack("credential", "test", "by-key", "--cluster", cluster_file(tmp_path, sshd, "by-agent"))
    assert unused.returncode == 1
    assert "[unused-credential]" in unused.stdout
    missing = prefect_server.sixstack("credential", "test", "by-kay", "--cluster", cluster_file(tmp_path, sshd, "by-kay"))
    assert missing.returncode == 1
    assert "Did you mean `by-key`?" in missing.stdout
    nobody = prefect_server.sixstack("credential", "test", "by-key")
    assert nobody.returncode == 3
    assert "--cluster FILE" in nobody.stderr
    assert prefect_server.sixstack("save", cluster_file(tmp_path, sshd, "by-agent")).returncode == 0
    try:
        other = make_key(tmp_path, "other")
        (tmp_path / "authorized_keys").write_text(other.with_suffix(".pub").read_text())
        refused = prefect_server.sixstack("credential", "test", "by-agent")
        assert refused.returncode == 1
        assert "hosts/node-1: sshd refuses the agent's key ssh-ed25519" in refused.stdout
    finally:
        prefect_server.remove_block("saved-cluster/tried")
