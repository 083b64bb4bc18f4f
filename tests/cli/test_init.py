"""`sixstack init` with real SSH servers on loopback, which stand for machines. tests/flows/test_init.py creates a cluster from its file."""

from __future__ import annotations

import getpass
import os
import pty
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.main import main
from cluster.file.reader import read_text
from cluster.vocabulary.host_keys import fingerprint
from demo.local_prefect import SIXSTACK
from tests.hosts.sshd import Sshd, closed_port, start_sshd


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Starts SSH servers, which all take the key of the first one."""
    servers: list[Sshd] = []

    def start(address: str = "127.0.0.1", host_keys: tuple[str, ...] = ("ed25519",)) -> Sshd:
        folder = tmp_path / f"sshd-{len(servers)}"
        folder.mkdir()
        servers.append(start_sshd(folder, address, host_keys=host_keys))
        (folder / "authorized_keys").write_text((servers[0].folder / "authorized_keys").read_text())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the user who runs the tests: no server, no agent, no known hosts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SSH_"))}
    return {**kept, "PREFECT_HOME": str(folder), "HOME": str(folder)}


def init(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `sixstack init` without a terminal."""
    return subprocess.run(
        [*SIXSTACK, "init", *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def endpoint(server: Sshd, port: int | None = None) -> str:
    """As a person writes it."""
    address = f"[{server.address}]" if ":" in server.address else server.address
    return f"{getpass.getuser()}@{address}:{port or server.port}"


def known(server: Sshd, key: str) -> str:
    """A line of known_hosts."""
    return f"[{server.address}]:{server.port} {key}\n"


def test_all_missing_and_wrong_answers_are_reported_at_once(tmp_path: Path) -> None:
    """Before any machine is asked."""
    done = init(tmp_path, "--hosts", "root@", "[::1", "192.0.2.300")
    assert done.returncode == 2
    for words in ("add --stack", "add --name", "'root@'", "'[::1'", "192.0.2.300"):
        assert words in done.stderr
    assert "add --hosts" in init(tmp_path).stderr
    assert list(tmp_path.glob("*.yaml")) == []


def test_a_file_is_written_that_check_accepts(machine: Callable[..., Sshd], tmp_path: Path) -> None:
    """New keys need --accept-host-keys; the next commands and the fingerprints are printed; nothing is overwritten."""
    one = machine()
    arguments = ("demo.yaml", "--hosts", endpoint(one), "--stack", "dual-stack", "--key", str(one.key), "--credential", "ops")
    refused = init(tmp_path, *arguments)
    assert refused.returncode == 1
    assert fingerprint(one.host_key()) in refused.stdout
    assert "--accept-host-keys" in refused.stderr
    assert not (tmp_path / "demo.yaml").exists()
    done = init(tmp_path, *arguments, "--accept-host-keys")
    text = (tmp_path / "demo.yaml").read_text()
    assert f"sixstack credential add ops --key {one.key}" in done.stdout
    assert "sixstack plan demo.yaml" in done.stdout
    reading = read_text(text)
    assert reading.spec is not None, (done.stderr, reading.problems)
    (host,) = reading.spec.hosts
    assert (host.ssh.host_key, host.ssh.port, host.ssh.credential, reading.spec.name) == (one.host_key(), one.port, "ops", "demo")
    assert "PRIVATE KEY" not in text
    again = init(tmp_path, *arguments, "--accept-host-keys")
    assert again.returncode == 2
    assert "--force" in again.stderr
    (tmp_path / "demo.yaml").write_text("mine")
    init(tmp_path, *arguments, "--accept-host-keys", "--force")
    assert (tmp_path / "demo.yaml").read_text().startswith("# Written by")


def test_a_known_key_is_not_asked_for_and_another_one_is_refused(machine: Callable[..., Sshd], tmp_path: Path) -> None:
    """Of the type that known_hosts has. The refusal has both fingerprints and the line to paste."""
    one = machine(host_keys=("ed25519", "rsa"))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(known(one, one.host_key("rsa")))
    arguments = ("--name", "demo", "--hosts", endpoint(one), "--stack", "dual-stack", "--key", str(one.key))
    done = init(tmp_path, *arguments)
    assert "known: it is in" in done.stdout
    assert f"host_key: {one.host_key('rsa')}" in (tmp_path / "demo.yaml").read_text()
    old = one.host_key("rsa")
    one.reinstall("ed25519", "rsa")
    refused = init(tmp_path, *arguments, "--force", "--accept-host-keys")
    assert refused.returncode == 1
    assert fingerprint(old) in refused.stderr
    assert known(one, one.host_key()).strip() in refused.stderr


def test_the_faults_of_all_machines_are_reported_at_once(machine: Callable[..., Sshd], tmp_path: Path) -> None:
    """First those of the connection, then those of the login."""
    one, two, other = machine(), machine("::1"), machine()
    with closed_port() as closed, closed_port("::1") as closed6:
        arguments = ("--name", "demo", "--stack", "ipv6", "--accept-host-keys")
        done = init(tmp_path, *arguments, "--key", str(one.key), "--hosts", endpoint(one), endpoint(one, closed), endpoint(two, closed6))
        assert done.returncode == 1
        assert f"127.0.0.1:{closed}" in done.stderr
        assert f"[::1]:{closed6}" in done.stderr
    done = init(tmp_path, *arguments, "--key", str(other.key), "--hosts", endpoint(one), endpoint(two))
    assert done.returncode == 1
    assert done.stderr.count("sshd refuses the private key") == 2
    assert list(tmp_path.glob("*.yaml")) == []


def test_questions_are_asked_on_a_terminal(machine: Callable[..., Sshd], tmp_path: Path) -> None:
    """An answer that is none of the choices is asked again, with the nearest one."""
    one = machine()
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*SIXSTACK, "init", "--key", str(one.key)],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = ""
    answers = [("Machines", endpoint(one)), ("Name of the cluster", "asked"), ("Accept this new key", "y"), ("Stack mode", "dual-stak"), ("Did you mean dual-stack", ""), ("Primary family", "ipv6"), ("Pod network", "")]  # fmt: skip
    deadline = time.monotonic() + 100
    for question, answer in answers:
        while question not in shown:
            assert time.monotonic() < deadline, shown
            shown += os.read(controller, 4096).decode()
        shown = shown.partition(question)[2]
        os.write(controller, f"{answer}\n".encode())
    while process.poll() is None:
        assert time.monotonic() < deadline, shown
        try:
            shown += os.read(controller, 4096).decode()
        except OSError:  # the terminal is closed
            break
    process.wait(60)
    os.close(controller)
    spec = read_text((tmp_path / "asked.yaml").read_text()).spec
    assert spec is not None
    assert (spec.stack, spec.primary_family, spec.cni.kind) == ("dual-stack", "ipv6", "flannel")


def test_all_wrong_answers_are_reported_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of options, files and the login, before any machine is asked."""
    monkeypatch.setattr("cli.init._with_accepted_keys", lambda *_, **__: pytest.fail("asked a machine"))
    wrong = {"--hosts": "a@", "--name": "No name", "--known-hosts": str(tmp_path / "known"), "--key": str(tmp_path / "key")}
    file = tmp_path / "folder" / "demo.yaml"
    monkeypatch.setattr("sys.stdin", None)
    assert main(["init", str(file), *(word for pair in wrong.items() for word in pair), "--stack", "ipv4"]) == 2
    printed = capsys.readouterr().err
    for expected in (
        "--hosts 'a@'",
        "'No name'",
        str(file.parent),
        f"--known-hosts '{wrong['--known-hosts']}'",
        f"--key '{wrong['--key']}'",
    ):
        assert printed.count(expected) == 1, printed
