"""Becoming root, and the password that must never be taken for a command."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import LoginRefused
from hosts.privilege import PROBE, Elevation, Privilege, read_probe
from hosts.remote_shell import RemoteShell
from hosts.session import Session
from tests.hosts.conftest import LabMachine

SOON = timedelta(seconds=30)
WARNING = "sudo: unable to resolve host worker-1: Name or service not known"
PASSWORD_REQUIRED = "sudo: a password is required"


def test_what_the_probe_found_is_read() -> None:
    """Root, sudo without a password, and everything else, which counts as a password."""
    assert read_probe("root\n", "") == (Privilege.ROOT, "")
    assert read_probe("free\n", "") == (Privilege.NO_PASSWORD, "")
    assert read_probe("free\n", WARNING) == (Privilege.NO_PASSWORD, "")
    assert read_probe("asks\n", "sudo: a password\nis required\n") == (Privilege.PASSWORD, "sudo: a password is required")
    assert read_probe("", "sh: sudo: not found") == (Privilege.PASSWORD, "sh: sudo: not found")


@pytest.mark.parametrize(
    ("stand_in", "privilege", "message"),
    [
        (f"echo '{WARNING}' >&2; exec env UID_OF_ID=0 \"$@\"", Privilege.NO_PASSWORD, ""),
        ("echo 'Your password expires in 3 days.'; exec env UID_OF_ID=0 \"$@\"", Privilege.NO_PASSWORD, ""),
        (f"echo '{WARNING}' >&2; echo '{PASSWORD_REQUIRED}' >&2; exit 1", Privilege.PASSWORD, f"{WARNING} {PASSWORD_REQUIRED}"),
        ("echo 0; exit 1", Privilege.PASSWORD, ""),
        ('exec "$@"', Privilege.PASSWORD, ""),  # a sudo that changes the user to another one than root
    ],
    ids=["warning", "message of PAM", "warning and refusal", "refusal after a zero", "not root"],
)
def test_the_answer_of_id_decides_and_not_what_sudo_says_besides(tmp_path: Path, stand_in: str, privilege: Privilege, message: str) -> None:
    """The probe as it runs on a host, with stand-ins for sudo and id."""
    programs = {"sudo": f'while [ "$1" != -- ]; do shift; done; shift\n{stand_in}', "id": "echo ${UID_OF_ID:-1000}"}
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    probe = subprocess.run(["/bin/sh", "-c", PROBE], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert read_probe(probe.stdout, probe.stderr) == (privilege, message)


def test_no_command_line_holds_the_password_and_every_login_shell_can_read_it() -> None:
    """A csh and a fish read quotes, backslashes and exclamation marks in their own way."""
    for way in Privilege:
        elevation = Elevation(way, "s3cret-word")
        command = RemoteShell("echo it's", SOON, elevation).command
        assert "s3cret" not in command + repr(elevation)
        assert not set("\\!\n`") & set(command)
        assert command.count("'") == 2


@pytest.mark.lab
class TestCanary:
    """The password is a canary: where it shows, a script has swallowed it."""

    CANARY_SCRIPT = "id -u; cat; set; echo err >&2"

    def everything(self, session: Session) -> str:
        output = session.run(self.CANARY_SCRIPT, limit=SOON, stdin=b"data\n")
        assert output.stdout.startswith("0\ndata\n")
        assert output.stderr == "err\n"
        return output.stdout + output.stderr

    def test_with_nopasswd_a_password_of_the_credential_is_never_sent(self, machine: LabMachine) -> None:
        """sudo would not read it: it would be the script's first line."""
        session = machine.open("deploy", credential=Credential(private_key=machine.key, sudo_password="canary-word"))
        assert session.privilege is Privilege.NO_PASSWORD
        assert "canary-word" not in self.everything(session)
        session.close()

    def test_a_password_is_given_when_sudo_asks(self, machine: LabMachine) -> None:
        """And stands neither in the script's input, nor its variables, nor what it prints."""
        session = machine.open("ops", credential=Credential(private_key=machine.key, sudo_password=machine.password))
        assert session.privilege is Privilege.PASSWORD
        assert machine.password not in self.everything(session)
        assert session.run("exit 7", limit=SOON).exit_code == 7
        session.close()

    def test_a_remembered_password_is_not_taken_for_nopasswd(self, machine: LabMachine, root_session: Session) -> None:
        """timestamp_type=global: after one sudo, any other of that user asks nothing for a quarter of an hour."""
        drop_in = "/etc/sudoers.d/remember"
        root_session.run(f"echo 'Defaults timestamp_type=global' >{drop_in}; chmod 440 {drop_in}", limit=SOON)
        try:
            plain = f"echo {machine.password} | su ops -c 'sudo -S -v' && su ops -c 'sudo -n true'"
            remembered = root_session.run(plain, limit=SOON)
            assert remembered.ok, remembered.stderr
            session = machine.open("ops", credential=Credential(private_key=machine.key, sudo_password=machine.password))
            assert session.privilege is Privilege.PASSWORD
            assert machine.password not in self.everything(session)
            session.close()
        finally:
            root_session.run(f"rm {drop_in}", limit=SOON)

    def test_a_host_that_stops_asking_in_the_middle_gets_no_password_either(self, machine: LabMachine, root_session: Session) -> None:
        """Somebody grants NOPASSWD while a session is open."""
        drop_in = "/etc/sudoers.d/zz-free"
        session = machine.open("ops", credential=Credential(private_key=machine.key, sudo_password=machine.password))
        root_session.run(f"echo 'ops ALL=(ALL) NOPASSWD: ALL' >{drop_in}; chmod 440 {drop_in}", limit=SOON)
        try:
            assert machine.password not in self.everything(session)
        finally:
            root_session.run(f"rm {drop_in}", limit=SOON)
        session.close()

    def test_a_login_by_password_serves_sudo_too(self, machine: LabMachine) -> None:
        """One password for both, as with most accounts."""
        session = machine.open("ops", credential=Credential(password=machine.password))
        assert machine.password not in self.everything(session)
        session.close()


@pytest.mark.lab
class TestRefusals:
    """Errors with a remedy."""

    def test_a_missing_sudo_password_is_reported(self, machine: LabMachine) -> None:
        """With the credential block's name."""
        with pytest.raises(
            LoginRefused, match=r"user ops is not root, and sudo requires a password .* `sudo_password` in SSH credential block `default`"
        ):
            machine.open("ops")

    def test_a_wrong_sudo_password_is_reported_without_its_value(self, machine: LabMachine) -> None:
        """sudo asks three times; the script's first lines must not be the second and third answer."""
        with pytest.raises(LoginRefused, match="sudo refuses the password of user ops") as refused:
            machine.open("ops", credential=Credential(private_key=machine.key, sudo_password="wrong-canary"))
        assert "wrong-canary" not in str(refused.value)

    def test_a_wrong_login_password_is_reported_without_its_value(self, machine: LabMachine) -> None:
        """With the methods that sshd accepts."""
        with pytest.raises(LoginRefused, match=r"sshd refuses the password for user ops; it takes publickey, password") as refused:
            machine.open("ops", credential=Credential(password="wrong-canary"))
        assert "wrong-canary" not in str(refused.value)

    def test_a_password_asked_for_by_keyboard_interactive_is_given(self, machine: LabMachine, root_session: Session) -> None:
        """Where sshd has PasswordAuthentication no, and PAM asks."""
        drop_in = "/etc/ssh/sshd_config.d/interactive.conf"
        settings = "Match User ops\\nPasswordAuthentication no\\nKbdInteractiveAuthentication yes"
        reload = "systemctl restart ssh.service"  # which says when it listens again; connections go on
        root_session.run(f"printf '{settings}\\n' >{drop_in}; {reload}", limit=SOON)
        try:
            session = machine.open("ops", credential=Credential(password=machine.password))
            assert session.run("id -u", limit=SOON).stdout == "0\n"
            session.close()
        finally:
            root_session.run(f"rm {drop_in}; {reload}", limit=SOON)
