"""Logins as owners have them: every configuration of sudo and every login shell works for all that a run does, or is refused before it begins."""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest

from bundle.manifest import BundleFile, Encoding, FileKind
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import LoginRefused
from hosts.detached import run_detached
from hosts.lock import FencedSession, hold_host
from hosts.privilege import Privilege
from hosts.session import Session
from hosts.upload import upload_files
from lab import hosts
from lab.command import command
from tests.conftest import LAB
from tests.hosts.conftest import LabMachine
from tests.hosts.sshd import Sshd

SOON = timedelta(seconds=60)
USER = "guest"
SUDOERS = f"/etc/sudoers.d/zz-{USER}"
PLACE = PurePosixPath("/opt/login-test")
# every byte, what a terminal would translate or act on, and what does not compress
BINARY = bytes(range(256)) * 4000 + b"\x04\x03\x1a\x11\x13\x00\r\n\r\x04" + secrets.token_bytes(1_000_000) + b"\x04"

# a program of a shell -> the packages to unpack, and the file that it reads whenever sshd starts it
SHELLS = {
    "/bin/bash": ((), ".bashrc"),
    "/bin/tcsh": (("tcsh",), ".cshrc"),
    "/bin/zsh": (("zsh", "zsh-common"), ".zshenv"),
    "/usr/bin/fish": (("fish", "fish-common", "libpcre2-32-0"), ".config/fish/config.fish"),
}


def either_way(names: str, cases: Iterable[str | tuple[str, ...]]) -> pytest.MarkDecorator:
    """Each case with a sudo that asks for a password or with one that does not, in turns; the other half is for `make test-long`."""
    found = []
    for number, case in enumerate(cases):
        values = case if isinstance(case, tuple) else (case,)
        for password in (False, True):
            marks = () if password is bool(number % 2) else (pytest.mark.long,)
            found.append(pytest.param(*values, password, marks=marks, id="-".join([*values, "password" if password else "nopasswd"])))
    return pytest.mark.parametrize(f"{names}, password", found)


@dataclass(frozen=True)
class Guest:
    """A user of the lab's host who is there for one test."""

    machine: LabMachine
    root: Session

    def sudoers(self, *lines: str) -> None:
        """The last lines of the host's sudoers."""
        text = "\n".join(lines)
        written = self.root.run(f"umask 337; cat >{SUDOERS}.new && visudo -cqf {SUDOERS}.new && mv {SUDOERS}.new {SUDOERS}", limit=SOON, stdin=f"{text}\n".encode())  # fmt: skip
        assert written.ok, written.stderr

    def shell(self, shell: str, start_file: str = "") -> None:
        """The login shell, and the text that it runs at its start."""
        path = PurePosixPath("/home", USER, SHELLS[shell][1])
        script = f"usermod -s {shell} {USER} && mkdir -p {path.parent} && cat >{path} && chown -R {USER}: /home/{USER}"
        written = self.root.run(script, limit=SOON, stdin=f"{start_file}\n".encode())
        assert written.ok, written.stderr

    def open(self, *, password: bool = False) -> Session:
        """Log in by key, with or without a password for sudo."""
        return self.machine.open(USER, credential=Credential(private_key=self.machine.key, sudo_password=self.machine.password if password else None))  # fmt: skip

    def refused(self, words: str, *, password: bool = False) -> LoginRefused:
        """Log in, which must be refused at once."""
        with pytest.raises(LoginRefused, match=words) as refused:
            self.open(password=password)
        assert self.machine.password not in str(refused.value)
        return refused.value

    def sudo_log(self) -> str:
        """The folders of sudo's records of input and output."""
        return self.root.run("ls -d /var/log/sudo-io/*/*/* 2>/dev/null; true", limit=SOON).stdout


@pytest.fixture
def guest(machine: LabMachine, root_session: Session) -> Iterator[Guest]:
    """A new user with a key, a password, and sudo for it; gone afterwards with what sudo recorded."""
    made = Guest(machine, root_session)
    forget = f"rm -rf {SUDOERS} /var/log/sudo-io {PLACE} /var/lib/sixstack /run/sixstack; pkill -KILL -u {USER}; userdel -rf {USER} 2>/dev/null; true"
    script = f"""
{forget}
mkdir -p /var/lib/sixstack/before && touch /var/lib/sixstack/before/paths /var/lib/sixstack/before/every-level
useradd -m -s /bin/bash {USER} && read -r password && echo "{USER}:$password" | chpasswd &&
mkdir /home/{USER}/.ssh && cp /root/.ssh/authorized_keys /home/{USER}/.ssh/ && chown -R {USER}: /home/{USER}
"""
    root_session.run(script, limit=SOON, stdin=f"{machine.password}\n".encode())
    made.sudoers(f"{USER} ALL=(root) ALL")
    yield made
    root_session.run(forget, limit=SOON)


@pytest.fixture(scope="module")
def shells(machine: LabMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The shells on the lab's host, from Debian's packages; the host has no network to load them, and apt would leave more on it."""
    packages, work = [name for names, _ in SHELLS.values() for name in names], tmp_path_factory.mktemp("shells")
    root = hosts.machine_of(machine.name, LAB).root
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    apt = ["apt-get", "-q", "-o", f"Dir::Etc={root}/etc/apt", "-o", f"Dir::State={work}/state", "-o", f"Dir::Cache={work}/cache"]
    apt += ["-o", "Dir::State::status=/dev/null", "-o", "APT::Sandbox::User=root"]
    command([*apt, "update"], limit=300)
    subprocess.run([*apt, "download", *packages], cwd=work, check=True, capture_output=True, timeout=300)
    there = {path for package in work.glob("*.deb") for path in command(["tar", "-tf", _contents(package)]).splitlines()}
    new = sorted((path for path in there if not os.path.lexists(root / path)), reverse=True)
    for package in sorted(work.glob("*.deb")):
        command(["tar", "-x", "--keep-directory-symlink", "-C", str(root), "-f", _contents(package)])
    yield
    for path in new:
        target = root / path
        target.rmdir() if target.is_dir() and not target.is_symlink() else target.unlink()


def _contents(package: Path) -> str:
    tar = package.with_suffix(".tar")
    if not tar.exists():
        with tar.open("wb") as stream:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=stream, check=True, timeout=60)
    return str(tar)


def everything_works(session: Session, folder: Path) -> None:
    """What a run does on a host: scripts, binary data in both directions, an upload, the lock, a step that outlives its connection."""
    output = session.run("id -u; umask; pwd; cat; echo err >&2; exit 7", limit=SOON, stdin=b"data\n")
    assert (output.exit_code, output.stdout, output.stderr) == (7, "0\n0022\n/\ndata\n", "err\n")
    assert session.run("kill -9 $$", limit=SOON).exit_code == -1
    pieces = (BINARY[start : start + 32704] for start in range(0, len(BINARY), 32704))
    assert session.feed("sha256sum", pieces, limit=SOON).stdout.split()[0] == hashlib.sha256(BINARY).hexdigest()
    with session.read("printf 'a\\r\\n\\004\\000z'; cat >/dev/null", limit=SOON, most=100) as reading:
        assert reading.stream.piece(100) == b"a\r\n\x04\x00z"
    lock = hold_host(session, "demo", "run-1")
    assert lock.alive
    fenced = FencedSession(session, lock)
    stored, target = gzip.compress(BINARY, 1), PLACE / "binary"
    (folder / "binary").write_bytes(stored)
    digest = hashlib.sha256(BINARY).hexdigest()
    file = BundleFile(
        path="binary", name="binary", kind=FileKind.BINARY, version="1.0", sha256=hashlib.sha256(stored).hexdigest(), size=len(stored),
        encoding=Encoding.GZIP, content_sha256=digest, content_size=len(BINARY), target=target, mode=0o755,
    )  # fmt: skip
    upload_files(fenced, folder, [file])
    assert fenced.run(f"sha256sum <{target}; stat -c '%U %a' {target} {PLACE}", limit=SOON).stdout.split() == [digest, "-", "root", "755", "root", "755"]  # fmt: skip
    step = run_detached(
        fenced, cluster="demo", step="a-step", script='id -u; sha256sum <"$SIXSTACK_STEP_DIR/input"', inputs={"input": BINARY}, limit=SOON
    )
    assert (step.exit_code, step.output) == (0, f"0\n{digest}  -\n")
    lock.release()


@pytest.mark.lab
@pytest.mark.usefixtures("shells")
class TestLoginShells:
    """bash, csh, fish and zsh."""

    @either_way("shell", SHELLS)
    def test_every_login_shell_works_with_start_files_that_do_much(
        self, guest: Guest, tmp_path: Path, shell: str, *, password: bool
    ) -> None:
        """They print on both streams, fail, set a umask, go to a folder that is gone, define sudo anew, and print at the end of the shell."""
        fish, csh = shell.endswith("fish"), shell.endswith("csh")
        lines = [
            "echo hello; sh -c 'echo motd >&2'",
            "false",
            "umask 0" if not fish else "umask 000",
            "mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone",
            "alias sudo false" if csh else "function sudo; false; end" if fish else "sudo() { false; }; alias sudo=false",
            "onintr -" if csh else "function bye --on-event fish_exit; echo bye; end" if fish else "trap 'echo bye' EXIT",
            "if [ ; then ((",
        ]
        guest.shell(shell, "\n".join(lines))
        guest.sudoers(f"{USER} ALL=(root) {'' if password else 'NOPASSWD:'} ALL")
        session = guest.open(password=password)
        assert session.privilege is (Privilege.PASSWORD if password else Privilege.NO_PASSWORD)
        everything_works(session, tmp_path)
        session.close()

    @either_way("shell", SHELLS)
    def test_start_files_that_read_standard_input_are_refused(self, guest: Guest, shell: str, *, password: bool) -> None:
        """A line, or everything: they would have our scripts, and the password of sudo."""
        guest.sudoers(f"{USER} ALL=(root) {'' if password else 'NOPASSWD:'} ALL")
        for line in ("set x = $<" if shell.endswith("csh") else "read x", "cat >/dev/null"):
            guest.shell(shell, line)
            assert "return early" in guest.refused(f"start files of the login shell of user {USER} read", password=password).hint

    @pytest.mark.parametrize("shell", ["/bin/bash", "/bin/zsh"])
    def test_start_files_that_end_the_shell_are_refused(self, guest: Guest, shell: str) -> None:
        """(Under csh and fish, they end only themselves.)"""
        guest.shell(shell, "echo no such day >&2; exit 1")
        assert "start files" in guest.refused(f"the login shell of user {USER} runs no command: no such day").hint

    @pytest.mark.parametrize("shell", SHELLS)
    def test_start_files_that_lose_the_path_are_refused(self, guest: Guest, shell: str) -> None:
        """With what the shell printed about it."""
        guest.shell(
            shell, {"/bin/tcsh": "setenv PATH /nowhere", "/usr/bin/fish": "set -x PATH /nowhere"}.get(shell, "export PATH=/nowhere")
        )
        assert "PATH" in guest.refused(f"the login shell of user {USER} runs no command: .*timeout").hint


@pytest.mark.lab
class TestSudo:
    """Settings of sudoers."""

    @either_way(
        "settings",
        [
            "use_pty",
            "!use_pty",
            "lecture=always, passwd_tries=1, insults",
            'passprompt="Say it", passprompt_override, pwfeedback',
            "umask=0077, umask_override",
            "log_subcmds, intercept",
            "timestamp_type=global",
        ],
    )
    def test_settings_that_change_nothing_for_us(self, guest: Guest, tmp_path: Path, settings: str, *, password: bool) -> None:
        """use_pty too: without a terminal of its own, sudo gives a command none, so that all bytes stay as they are."""
        guest.sudoers(f"Defaults {settings}", f"{USER} ALL=(root) {'' if password else 'NOPASSWD:'} ALL")
        session = guest.open(password=password)
        everything_works(session, tmp_path)
        session.close()

    @pytest.mark.parametrize("password", [False, True], ids=["nopasswd", "password"])
    def test_a_host_that_cannot_resolve_its_own_name(self, guest: Guest, tmp_path: Path, *, password: bool) -> None:
        """sudo warns at each command; that is neither a refusal nor a part of the script's output."""
        guest.sudoers(f"{USER} ALL=(root) {'' if password else 'NOPASSWD:'} ALL")
        # sudo asks the name servers at each command. Nobody listens there: loopback refuses each time, but a kernel refuses others once a second
        # (icmp_ratelimit), and sudo would wait 5 s
        without_waiting = "cp /etc/resolv.conf /root/resolv.conf; echo 'nameserver 127.0.0.1' >/etc/resolv.conf"
        guest.root.run(f"{without_waiting}; hostname nobody-knows-it", limit=SOON)
        try:
            warned = guest.root.run(f"su {USER} -c 'sudo -n true'", limit=SOON)
            assert "unable to resolve host nobody-knows-it" in warned.stderr
            session = guest.open(password=password)
            everything_works(session, tmp_path)
            session.close()
        finally:
            guest.root.run(f"hostname {guest.machine.name}; cat /root/resolv.conf >/etc/resolv.conf; rm /root/resolv.conf", limit=SOON)

    @pytest.mark.parametrize("password", [False, True], ids=["nopasswd", "password"])
    def test_an_entry_for_the_one_command_that_sudo_gets(self, guest: Guest, tmp_path: Path, *, password: bool) -> None:
        """As docs/how-to/own-machines.md says: timeout is all, and equals root."""
        guest.sudoers(f"{USER} ALL=(root) {'' if password else 'NOPASSWD:'} /usr/bin/timeout")
        session = guest.open(password=password)
        everything_works(session, tmp_path)
        session.close()

    @either_way(
        "settings, tags",
        [
            ("Defaults log_input", "NOLOG_INPUT:"),
            ("Defaults log_output", "NOLOG_OUTPUT:"),
            ("Defaults log_input, log_output, !use_pty", "NOLOG_INPUT: NOLOG_OUTPUT:"),
            ("Defaults!/usr/bin/timeout log_input", "NOLOG_INPUT:"),
            (f"Defaults:{USER} log_stderr", "NOLOG_OUTPUT:"),
        ],
    )
    def test_a_sudo_that_records_is_refused_until_its_entry_says_not_to(
        self, guest: Guest, tmp_path: Path, settings: str, tags: str, *, password: bool
    ) -> None:
        """sudo's log would have every join token, key and kubeconfig. The hint is the entry that ends it."""
        guest.sudoers(settings, f"{USER} ALL=(root) {'' if password else 'NOPASSWD:'} ALL")
        entry = " ".join(f"{USER} ALL=(root) {'' if password else 'NOPASSWD:'} {tags} ALL".split())
        refused = guest.refused(f"sudo records the input or output of commands of user {USER}", password=password)
        assert f"`{entry}`" in refused.hint
        assert guest.sudo_log()
        guest.root.run("rm -rf /var/log/sudo-io", limit=SOON)
        guest.sudoers(settings, entry)
        session = guest.open(password=password)
        everything_works(session, tmp_path)
        session.close()
        assert guest.sudo_log() == ""

    def test_a_sudo_that_records_has_recorded_no_password(self, guest: Guest) -> None:
        """Of the login that was refused, in which it was asked for."""
        guest.sudoers("Defaults log_input, log_output", f"{USER} ALL=(root) ALL")
        guest.refused("log_input, log_output", password=True)
        look = 'read -r word; find /var/log/sudo-io -type f -exec zcat -f {} + | grep -aqF -e "$word" || echo clean'
        assert guest.root.run(look, limit=SOON, stdin=f"{guest.machine.password}\n".encode()).stdout == "clean\n"

    @either_way(
        "settings, right, words, remedy",
        [
            ("Defaults requiretty", "ALL", "only at a terminal", f"`Defaults:{USER} !requiretty`"),
            ("Defaults noexec", "ALL", "to start other programs", f"`{USER} ALL=(root) NOPASSWD: EXEC: ALL`"),
        ],
    )
    def test_settings_with_which_nothing_works(
        self, guest: Guest, tmp_path: Path, settings: str, right: str, words: str, remedy: str, *, password: bool
    ) -> None:
        """The remedy is a line that works."""
        lines = (settings, f"{USER} ALL=(root) {'' if password else 'NOPASSWD:'} {right}")
        guest.sudoers(*lines)
        assert remedy in guest.refused(words, password=password).hint
        guest.sudoers(*lines, remedy.strip("`"))
        session = guest.open(password=password)
        everything_works(session, tmp_path)
        session.close()

    @pytest.mark.parametrize("lines", ["# none", f"{USER} ALL=(root) /usr/bin/apt-get", f"{USER} ALL=(nobody) ALL"])
    def test_a_user_who_may_not_become_root(self, guest: Guest, lines: str) -> None:
        """The hint is the entry; the password was right."""
        guest.sudoers(lines)
        refused = guest.refused(f"sudo does not allow user {USER} to become root", password=True)
        assert f"`{USER} ALL=(root) NOPASSWD: ALL`" in refused.hint


class TestOnLoopback:
    """Start files of root's login shell, without a lab: what sshd runs first stands in for them."""

    @pytest.fixture
    def started(self, own_sshd: Callable[..., Sshd], tmp_path: Path) -> Callable[[str], Session]:
        """Opens a session whose login shell runs a text at its start."""

        def open_session(text: str) -> Session:
            shell = tmp_path / "shell"
            shell.write_text(f'#!/bin/sh\n{text}\neval "$SSH_ORIGINAL_COMMAND"\n')
            shell.chmod(0o755)
            server = own_sshd(settings=f"ForceCommand {shell}")
            return Session.open("loopback", server.ssh(), server.credential)

        return open_session

    def test_nothing_that_start_files_do_reaches_a_script(self, started: Callable[[str], Session]) -> None:
        """Output before and after, umask, folder."""
        session = started("echo hello; echo motd >&2; umask 0; cd /tmp; trap 'echo bye' EXIT")
        output = session.run("umask; pwd; cat; echo err >&2", limit=SOON, stdin=b"data")
        assert (output.stdout, output.stderr) == ("0022\n/\ndata", "err\n")
        session.close()

    @pytest.mark.parametrize("text", ["read -r x", "cat >/dev/null", "head -c 5 >/dev/null"])
    def test_start_files_that_read_standard_input_are_refused_at_the_first_script(
        self, started: Callable[[str], Session], tmp_path: Path, text: str
    ) -> None:
        """Before any of its lines ran; not as an exit code, which a caller would judge."""
        session = started(text)
        with pytest.raises(LoginRefused, match=r"start files of the login shell of user .* read standard input"):
            session.run(f"a b\ntouch {tmp_path}/ran", limit=SOON)
        assert not (tmp_path / "ran").exists()
        session.close()
