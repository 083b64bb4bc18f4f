"""`sixstack pin`: host keys of real SSH servers, written into the cluster file or printed; and keys recorded on first use."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.file.reader import read_text
from cluster.vocabulary.host_keys import TRUST_ON_FIRST_USE, fingerprint
from tests.cli.test_commands import with_settings
from tests.conftest import Workplace
from tests.hosts.sshd import Sshd, start_sshd
from tests.kube.conftest import Authority

KUBECONFIG = Path(__file__).with_name("save_kubeconfig.py")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Starts SSH servers, which stand for machines."""
    servers: list[Sshd] = []

    def start(address: str = "127.0.0.1", host_keys: tuple[str, ...] = ("ed25519",)) -> Sshd:
        folder = tmp_path / f"sshd-{len(servers)}"
        folder.mkdir()
        servers.append(start_sshd(folder, address, settings="LogLevel DEBUG1", host_keys=host_keys))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def endpoint(server: Sshd, key: str | None = TRUST_ON_FIRST_USE, more: str = "") -> str:
    """The machine in a cluster file."""
    written = "" if key is None else f", host_key: {key}"
    return f'{{address: "{server.address}", port: {server.port}, user: {getpass.getuser()}{written}{more}}}'


def cluster_file(folder: Path, *endpoints: str, name: str = "demo") -> Path:
    """A cluster file with these machines."""
    hosts = "".join(
        f"  - name: node-{number}\n    role: {'worker' if number > 1 else 'control-plane'}\n    ssh: {text} # machine {number}\n"
        for number, text in enumerate(endpoints, 1)
    )
    network = "network:\n  pods: [{cidr: 10.244.0.0/16}]\n  services: [10.96.0.0/16]\n"
    path = folder / "cluster.yaml"
    path.write_text(f"# ours\nname: {name}\nstack: ipv4\nhosts:\n{hosts}{network}")
    return path


class TestWithoutServer:
    """Keys are read from the machines; no login is needed."""

    def test_keys_are_shown_written_and_accepted_by_check(self, machine: Callable[..., Sshd], tmp_path: Path) -> None:
        """After `y`; comments stay, and `check` finds no problem, where before it missed a key."""
        one, two, three = machine(), machine("::1"), machine(host_keys=("rsa",))
        path = cluster_file(tmp_path, endpoint(one), endpoint(two, None), endpoint(three))
        path.chmod(0o640)
        before = path.read_text()
        assert with_settings(tmp_path, "check", str(path)).returncode == 1
        done = with_settings(tmp_path, "pin", str(path), feed="y\n")
        assert done.returncode == 0, done.stdout + done.stderr
        keys = (one.host_key(), two.host_key(), three.host_key("rsa"))
        assert all(fingerprint(key) in done.stdout for key in keys)
        assert f"[::1]:{two.port}" in done.stdout
        expected = before.replace(TRUST_ON_FIRST_USE, keys[0], 1).replace(TRUST_ON_FIRST_USE, keys[2])
        assert path.read_text() == expected.replace('"::1", port', f'"::1", host_key: {keys[1]}, port')
        assert path.stat().st_mode & 0o777 == 0o640
        checked = with_settings(tmp_path, "check", str(path))
        assert (checked.returncode, "warning" in checked.stdout) == (0, False)
        assert "userauth-request" not in one.log() + two.log() + three.log()
        again = with_settings(tmp_path, "pin", str(path))
        assert (again.returncode, "pinned already" in again.stderr) == (0, True)

    @pytest.mark.parametrize("answer", ["", "n\n", "\n", "perhaps\n"])
    def test_nothing_is_written_without_a_yes(self, machine: Callable[..., Sshd], tmp_path: Path, answer: str) -> None:
        """Also at the end of standard input."""
        path = cluster_file(tmp_path, endpoint(machine()))
        before = path.read_text()
        done = with_settings(tmp_path, "pin", str(path), feed=answer)
        assert done.returncode == 1
        assert path.read_text() == before

    def test_yes_writes_without_a_question(self, machine: Callable[..., Sshd], tmp_path: Path) -> None:
        """For scripts."""
        server = machine()
        path = cluster_file(tmp_path, endpoint(server))
        assert with_settings(tmp_path, "pin", str(path), "--yes").returncode == 0
        assert server.host_key() in path.read_text()

    @pytest.mark.parametrize("stdin", [False, True], ids=["--print", "-"])
    def test_lines_are_printed_and_nothing_is_written(self, machine: Callable[..., Sshd], tmp_path: Path, stdin: bool) -> None:
        """The path of each field and its value, below a comment with the fingerprint."""
        server = machine()
        path = cluster_file(tmp_path, endpoint(server))
        before = path.read_text()
        done = with_settings(tmp_path, "pin", "-", feed=before) if stdin else with_settings(tmp_path, "pin", str(path), "--print")
        assert done.returncode == 0, done.stderr
        comment, line = done.stdout.splitlines()
        assert comment.startswith(f"# node-1 127.0.0.1:{server.port}: {fingerprint(server.host_key())}")
        assert line == f"hosts[0].ssh.host_key: {server.host_key()}"
        assert path.read_text() == before

    def test_json_has_the_field_and_the_key_of_each_endpoint(self, machine: Callable[..., Sshd], tmp_path: Path) -> None:
        """For scripts; nothing is written. When every key is pinned the list is empty."""
        server = machine()
        path = cluster_file(tmp_path, endpoint(server))
        before = path.read_text()
        done = with_settings(tmp_path, "pin", str(path), "--output", "json")
        assert done.returncode == 0, done.stderr
        (found,) = json.loads(done.stdout)
        assert (found["field"], found["host_key"], found["recorded"]) == ("hosts[0].ssh.host_key", server.host_key(), None)
        assert found["fingerprint"] == fingerprint(server.host_key())
        assert path.read_text() == before
        assert with_settings(tmp_path, "pin", str(path), "--yes").returncode == 0
        assert json.loads(with_settings(tmp_path, "pin", str(path), "--output", "json").stdout) == []

    def test_a_machine_that_does_not_answer_is_reported_and_the_others_are_pinned(
        self, machine: Callable[..., Sshd], tmp_path: Path
    ) -> None:
        """Exit code 1."""
        one, two = machine(), machine()
        two.stop()
        path = cluster_file(tmp_path, endpoint(one), endpoint(two))
        done = with_settings(tmp_path, "pin", str(path), "--yes")
        assert done.returncode == 1
        assert "node-2: " in done.stderr
        spec = read_text(path.read_text()).spec
        assert spec is not None
        assert [host.ssh.host_key for host in spec.hosts] == [one.host_key(), TRUST_ON_FIRST_USE]

    def test_a_layout_that_cannot_be_changed_is_printed(self, machine: Callable[..., Sshd], tmp_path: Path) -> None:
        """The second machine, which is off, would inherit the key of the first."""
        one, two = machine(), machine()
        two.stop()
        path = cluster_file(tmp_path, f"&all {endpoint(one)}", f"{{<<: *all, port: {two.port}}}")
        before = path.read_text()
        done = with_settings(tmp_path, "pin", str(path), "--yes")
        assert done.returncode == 1
        assert f"hosts[0].ssh.host_key: {one.host_key()}" in done.stdout
        assert path.read_text() == before

    def test_a_host_behind_a_jump_host_needs_the_server(self, machine: Callable[..., Sshd], tmp_path: Path) -> None:
        """The login to the jump host is in a block."""
        jump = machine()
        path = cluster_file(tmp_path, endpoint(machine(), more=f", jump: {endpoint(jump, jump.host_key())}"))
        done = with_settings(tmp_path, "pin", str(path))
        assert done.returncode == 3
        assert "no Prefect server is configured" in done.stderr


def save_kubeconfig(place: Workplace, cluster: str, server: Sshd) -> None:
    """A Saved kubeconfig whose control plane is this machine, which trusts on first use."""
    place.save_blocks({"ssh-credential": {cluster: {"private_key": server.key.read_text()}}})
    done = place.python(str(KUBECONFIG), cluster, server.address, str(server.port), getpass.getuser(), feed=Authority().pem.decode())
    assert done.returncode == 0, done.stderr


@pytest.fixture
def place(prefect_server: Workplace) -> Iterator[Workplace]:
    """The server; the clusters that a test has saved there are removed, as other tests list them all."""
    yield prefect_server
    slugs = {"block_types": {"slug": {"any_": ["saved-cluster", "saved-kubeconfig"]}}}
    for block in prefect_server.api("/block_documents/filter", slugs):
        if block["name"] in {"pinned", "behind"}:
            prefect_server.api(f"/block_documents/{block['id']}", method="DELETE")


@pytest.mark.server
class TestRecordedKeys:
    """With a Prefect server: keys that commands recorded on first use."""

    def test_commands_record_compare_and_forget(self, machine: Callable[..., Sshd], tmp_path: Path, place: Workplace) -> None:
        """`sixstack node` makes the first contact: another key is then refused by every command, until the recorded key is forgotten."""
        server = machine()
        save_kubeconfig(place, "pinned", server)
        path = cluster_file(tmp_path, endpoint(server), name="pinned")
        node = ("node", "192.0.2.1", "--cluster", "pinned")
        first = place.sixstack(*node)  # the machine has no API server
        old = server.host_key()
        assert f"node-1: recorded the host key {fingerprint(old)} on first use" in first.stderr
        printed = place.sixstack("pin", str(path), "--print")
        assert "the same as on first use" in printed.stdout, printed.stderr

        server.reinstall("ed25519")
        commands = {node: 1, ("kubectl", "pinned", "--", "version"): 1, ("pin", str(path), "--yes"): 1, ("clusters",): 0}
        for command, code in commands.items():
            refused = place.sixstack(*command)
            said = refused.stdout + refused.stderr
            assert refused.returncode == code, said
            assert fingerprint(old) in said
            assert fingerprint(server.host_key()) in said
            assert "sixstack pin pinned --forget node-1" in said
        assert "userauth-request" not in server.log()
        assert TRUST_ON_FIRST_USE in path.read_text()

        unknown = place.sixstack("pin", "pinned", "--forget", "node-1", "--forget", "node-9")
        assert unknown.returncode == 1
        assert f"node-1 (127.0.0.1:{server.port})" in unknown.stderr
        forgotten = place.sixstack("pin", "pinned", "--forget", "node-1")
        assert forgotten.returncode == 0, forgotten.stderr
        assert fingerprint(old) in forgotten.stdout
        pinned = place.sixstack("pin", str(path), "--yes")
        assert pinned.returncode == 0, pinned.stderr
        assert "presented now" in pinned.stdout
        assert server.host_key() in path.read_text()
        place.sixstack(*node)
        (key,) = place.api("/block_types/slug/recorded-host-keys/block_documents/name/pinned")["data"]["keys"]
        assert (key["host"], key["key"]) == ("node-1", server.host_key())

    def test_a_saved_cluster_is_printed_and_not_rewritten(self, machine: Callable[..., Sshd], tmp_path: Path, place: Workplace) -> None:
        """A jump host and its host, in the order of the file; the block stays as it is."""
        jump, server = machine(), machine()
        place.save_blocks({"ssh-credential": {"jump": {"private_key": jump.key.read_text()}}})
        text = endpoint(server, more=f", jump: {endpoint(jump, more=', credential: jump')}")
        path = cluster_file(tmp_path, text, name="behind")
        saved = place.sixstack("save", str(path))
        assert saved.returncode == 0, saved.stderr
        done = place.sixstack("pin", "behind")
        assert done.returncode == 0, done.stderr
        assert [line for line in done.stdout.splitlines() if not line.startswith("#")] == [
            f"hosts[0].ssh.jump.host_key: {jump.host_key()}",
            f"hosts[0].ssh.host_key: {server.host_key()}",
        ]
        assert place.api("/block_types/slug/saved-cluster/block_documents/name/behind")["data"]["file"] == path.read_text()
        assert "userauth-request" not in server.log()

    def test_a_jump_host_without_a_key_gets_one_before_its_hosts(
        self, machine: Callable[..., Sshd], tmp_path: Path, place: Workplace
    ) -> None:
        """No login to a machine whose key nobody has accepted: the first call pins the jump host, the second the host behind it."""
        jump, server = machine(), machine()
        place.save_blocks({"ssh-credential": {"jump": {"private_key": jump.key.read_text()}}})
        text = endpoint(server, None, more=f", jump: {endpoint(jump, None, more=', credential: jump')}")
        path = cluster_file(tmp_path, text, name="keyless")
        first = place.sixstack("pin", str(path), "--yes")
        assert first.returncode == 1
        assert "its jump host has no host key" in first.stderr
        assert "userauth-request" not in jump.log()
        second = place.sixstack("pin", str(path), "--yes")
        assert second.returncode == 0, second.stderr
        spec = read_text(path.read_text()).spec
        assert spec is not None
        assert spec.hosts[0].ssh.jump is not None
        assert (spec.hosts[0].ssh.host_key, spec.hosts[0].ssh.jump.host_key) == (server.host_key(), jump.host_key())
