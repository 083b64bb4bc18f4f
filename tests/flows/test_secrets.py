"""Secrets of a real cluster's making occur nowhere that they need not be."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml

from lab import hosts
from tests.conftest import LAB, MODES, MadeCluster

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.parametrize("made", MODES[:1], indirect=True, ids=str)]


@pytest.fixture
def secrets(made: MadeCluster) -> dict[str, str]:
    """Texts that would give something away, each long enough to be no accident."""
    lab = hosts.lab_of(LAB)
    kubeconfig = yaml.safe_load(made.place.sixstack("kubeconfig", made.name).stdout)
    key_data = kubeconfig["users"][0]["user"]["client-key-data"]
    admin_key = base64.b64decode(key_data).decode()
    return {
        "private SSH key": lab.key_file.read_text().splitlines()[2],
        "sudo password": lab.sudo_password(),
        "kubeconfig key data": key_data[200:260],
        "kubeconfig key": admin_key.splitlines()[1],
    }


def files_with(folder: Path, secrets: dict[str, str]) -> list[str]:
    """Which secret is in which file below a folder."""
    return [
        f"{name} in {path}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for content in [path.read_bytes()]
        for name, text in secrets.items()
        if text.encode() in content
    ]


def test_none_is_in_prefects_database_logs_or_results(made: MadeCluster, secrets: dict[str, str]) -> None:
    """Database (runs, parameters, logs, artifacts, events, encrypted blocks), logs of server and worker, storage."""
    assert files_with(made.place.prefect.state, secrets) == []


def test_none_is_in_the_audit_records(made: MadeCluster, secrets: dict[str, str]) -> None:
    """Records of failed attempts included, and no bootstrap token."""
    folder = made.place.prefect.root / "audit"
    assert files_with(folder, secrets) == []
    assert list(folder.rglob("join-worker.*.json"))


def test_none_was_on_a_command_line(made: MadeCluster, secrets: dict[str, str]) -> None:
    """Every process of this machine and of the lab's hosts was looked at, several times a second, while the cluster was made."""
    assert made.command_lines.looks > 20
    seen = "\n".join(made.command_lines.seen)
    assert "kubeadm init" in seen  # the hosts' processes were among them
    assert [name for name, text in secrets.items() if text in seen] == []
    assert made.command_lines.tokens == set()


def test_hosts_keep_none_in_files_that_others_can_read(made: MadeCluster, secrets: dict[str, str]) -> None:
    """Only root's own files hold keys; inputs of steps are gone; our folder is root's alone."""
    script = """
find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -type f -perm /044 -size -8000k -print0 | xargs -0 grep -lF -f /run/canaries 2>/dev/null
find /var/lib/sixstack -name work -o -name 'work.*' -o -name '*join.yaml*'
find /var/lib/sixstack -maxdepth 0 -perm /077
journalctl --no-pager -q | grep -F -f /run/canaries
true
"""
    for host in made.document["hosts"]:
        name = host["name"]
        hosts.run_in(name, ["sh", "-c", "umask 077; cat > /run/canaries"], LAB, feed="\n".join(secrets.values()) + "\n").check_returncode()
        found = hosts.run_in(name, ["sh", "-c", script], LAB, limit=120)
        hosts.run_in(name, ["rm", "/run/canaries"], LAB).check_returncode()
        assert found.stdout == ""


def test_no_bootstrap_token_outlives_its_join(made: MadeCluster) -> None:
    """The cluster has no token that anybody could still join with, but kubeadm init's own that lives a day at most."""
    tokens = made.objects("secrets", "-n", "kube-system", "--field-selector", "type=bootstrap.kubernetes.io/token")["items"]
    described = [base64.b64decode(token["data"].get("description", "")).decode() for token in tokens]
    assert [text for text in described if "sixstack" in text] == []


def test_the_kubeconfig_file_is_for_its_owner_alone(made: MadeCluster, tmp_path: Path) -> None:
    """`sixstack kubeconfig -o FILE` writes mode 0600, also over a file that was open to all."""
    target = tmp_path / "config"
    target.touch(mode=0o644)
    done = made.place.sixstack("kubeconfig", made.name, "-o", str(target))
    assert done.returncode == 0, done.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(target.read_text(encoding="utf-8"))["kind"] == "Config"


def test_parameters_of_the_run_are_the_file_and_name_credentials_only(made: MadeCluster) -> None:
    """What the UI shows as parameters is what the file says."""
    parameters = made.place.api(f"/flow_runs/{made.run}")["parameters"]
    assert json.loads(json.dumps(parameters["cluster"]))["hosts"][1]["ssh"]["credential"] == f"ops-{LAB}"
    assert "PRIVATE KEY" not in json.dumps(parameters)
