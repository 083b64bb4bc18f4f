"""`sixstack check` and `sixstack params`, as a user runs them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cluster.file.reader import read_document
from demo.local_prefect import SIXSTACK

EXAMPLES = Path(__file__).parents[2] / "deployments/examples"
GOOD = EXAMPLES / "dual-stack.yaml"


def sixstack(*arguments: str, feed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    command = [*SIXSTACK, *arguments]
    return subprocess.run(command, input=feed, capture_output=True, check=False, timeout=60, cwd=EXAMPLES.parents[1])


class TestCheck:
    """Exit 0 good, 1 problems, 2 unreadable."""

    @pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
    def test_an_example_is_good(self, path: Path) -> None:
        """One line describes the cluster."""
        done = sixstack("check", str(path))
        assert done.returncode == 0
        assert b"OK: cluster demo" in done.stdout

    def test_problems_are_listed_as_text(self) -> None:
        """Where, what, and what to write instead."""
        done = sixstack("check", "-", feed=GOOD.read_bytes().replace(b"fd44:5a17:e0b4::/56", b"fd44:5a17:e0b4::/64"))
        assert done.returncode == 1
        assert b"network.pods[1].cidr" in done.stdout
        assert b"pod-range-too-small" in done.stdout
        assert b"node_mask: 72" in done.stdout

    def test_problems_are_listed_as_json(self) -> None:
        """Six fields each; the fix is a JSON Patch."""
        done = sixstack("check", "-", "--output", "json", feed=b"name: demo\n")
        assert done.returncode == 1
        problems = json.loads(done.stdout)["problems"]
        assert {problem["path"] for problem in problems} == {"stack", "hosts", "network"}
        assert all(list(problem) == ["code", "severity", "path", "message", "hint", "fix"] for problem in problems)

    def test_a_good_file_has_an_empty_list_in_json(self) -> None:
        """The same shape."""
        done = sixstack("check", str(GOOD), "--output", "json")
        assert done.returncode == 0
        assert json.loads(done.stdout) == {"problems": []}

    def test_warnings_are_good(self) -> None:
        """They are printed, and the exit code is 0."""
        done = sixstack("check", "-", feed=GOOD.read_bytes().replace(b"fd44:5a17:e0b4::/56", b"2001:db8:44::/56"))
        assert done.returncode == 0
        assert b"warning: line 22: network.pods[1].cidr: " in done.stdout

    @pytest.mark.parametrize("file", ["./no-such-file", "/", "/dev/zero", "./nul\0byte"])
    def test_a_file_that_cannot_be_read(self, file: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Missing, a folder, endless: an explanation and exit code 2."""
        from cli.main import main

        assert main(["check", file]) == 2
        assert "sixstack:" in capsys.readouterr().err

    def test_a_text_that_is_not_utf_8(self) -> None:
        """Exit code 2, and where it stops being one."""
        done = sixstack("check", "-", feed=b"name: \xff")
        assert done.returncode == 2
        assert b"byte 6" in done.stderr

    def test_standard_input_that_is_closed(self) -> None:
        """Exit code 2, and what to write instead."""
        done = subprocess.run(["sh", "-c", f"{shlex.join(SIXSTACK)} check - <&-"], capture_output=True, check=False, timeout=60)
        assert done.returncode == 2
        assert done.stderr == b"sixstack: standard input is closed: write the path of a file instead of `-`\n"

    @pytest.mark.parametrize("arguments", [str(GOOD), f"{GOOD} --output json", "./no-such-file 2>/dev/full"])
    def test_an_output_that_is_full(self, arguments: str) -> None:
        """One line instead of a traceback, and exit code 3; the same for standard error."""
        command = f"{shlex.join(SIXSTACK)} check {arguments} >/dev/full"
        done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=60)
        assert done.returncode == 3
        assert b"Traceback" not in done.stderr
        assert b"ignored" not in done.stderr

    def test_a_file_name_that_is_not_utf_8(self) -> None:
        """Its bytes are escaped."""
        done = sixstack("check", "./a\udcff.yaml")
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr

    def test_an_empty_file_has_a_problem(self) -> None:
        """No traceback."""
        done = sixstack("check", "-")
        assert done.returncode == 1
        assert done.stderr == b""

    def test_neither_prefect_nor_ssh_is_imported(self) -> None:
        """It has to be quick (0.3 s), and needs no more than the domain."""
        program = str(Path(__file__).with_name("check_imports.py"))
        done = subprocess.run([sys.executable, program, str(GOOD)], capture_output=True, text=True, check=False, timeout=60)
        assert done.stderr.strip() == ""


class TestParams:
    """`{"cluster": DOCUMENT}` for prefect."""

    def test_a_good_file_becomes_parameters(self) -> None:
        """What prefect gets means the same cluster."""
        done = sixstack("params", str(GOOD))
        assert done.returncode == 0
        import yaml

        cluster = json.loads(done.stdout)["cluster"]
        assert read_document(cluster).spec == read_document(yaml.safe_load(GOOD.read_text(encoding="utf-8"))).spec

    def test_a_bad_file_gives_nothing_to_prefect(self) -> None:
        """The problems go to standard error."""
        done = sixstack("params", "-", feed=b"name: demo\n")
        assert done.returncode == 1
        assert done.stdout == b""
        assert b"hosts is missing" in done.stderr


def test_check_is_quick() -> None:
    """At most 0.3 s of processor time from the start of Python to the exit code; it is one thread that waits for nothing."""
    import os
    import resource

    # the first run writes the bytecode that an installed command has
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [*SIXSTACK, "check", str(GOOD)]
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True, timeout=60, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) <= 0.3, seconds


class TestWas:
    """`--was OLDFILE`: what a cluster made of that file would become."""

    def test_the_same_file_means_nothing_to_do(self) -> None:
        """Exit code 0."""
        done = sixstack("check", str(GOOD), "--was", str(GOOD))
        assert done.returncode == 0
        assert b"nothing to do" in done.stdout

    def test_a_new_label_is_a_step(self) -> None:
        """Exit code 0, and the steps that a run would do."""
        feed = GOOD.read_bytes().replace(b"role: worker\n", b"role: worker\n    labels: {example.org/rack: '7'}\n", 1)
        done = sixstack("check", "-", "--was", str(GOOD), "--output", "json", feed=feed)
        assert done.returncode == 0
        told = json.loads(done.stdout)
        assert [step["id"] for step in told["steps"]] == ["label-node/node-2"]
        assert (told["problems"], told["was"], told["migration"]) == ([], {"problems": []}, None)

    def test_another_stack_mode_is_refused_with_the_list(self) -> None:
        """Exit code 1; the problem, then every action with what it restarts, in text and in JSON."""
        old = str(EXAMPLES / "ipv4.yaml")
        done = sixstack("check", str(GOOD), "--was", old)
        assert done.returncode == 1
        text = done.stdout.decode()
        assert re.search(r"stack: .*ipv4.*dual-stack \[immutable-field\]", text)
        assert text.index("--service-cluster-ip-range=") < text.index("kubectl delete node") < text.index("PreferDualStack")
        told = json.loads(sixstack("check", str(GOOD), "--was", old, "--output", "json").stdout)
        assert [problem["code"] for problem in told["problems"]] == ["immutable-field"]
        assert told["migration"]["in_place"]
        assert all(action["restarts"] for action in told["migration"]["actions"])

    def test_problems_of_both_files_are_reported(self) -> None:
        """Neither hides the other; nothing is compared then."""
        done = sixstack("check", str(GOOD), "--was", "-", "--output", "json", feed=b"name: demo\n")
        assert done.returncode == 1
        told = json.loads(done.stdout)
        assert told["problems"] == []
        assert {problem["path"] for problem in told["was"]["problems"]} == {"stack", "hosts", "network"}

    def test_an_old_file_that_cannot_be_read(self) -> None:
        """Exit code 2."""
        assert sixstack("check", str(GOOD), "--was", "./no-such-file").returncode == 2


class TestManifests:
    """Files of a pod network of one's own."""

    NETWORK = b"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: net}\nspec: {}\n"

    def cluster(self, folder: Path, *files: str) -> Path:
        """A cluster file in a folder that names files."""
        document = yaml.safe_load(GOOD.read_text())
        path = folder / "cluster.yaml"
        path.write_text(yaml.safe_dump({**document, "cni": {"kind": "manifests", "files": list(files)}}))
        return path

    def test_paths_are_relative_to_the_cluster_file(self, tmp_path: Path) -> None:
        """The flow gets whole paths, and never what is in the files."""
        (tmp_path / "net.yaml").write_bytes(self.NETWORK)
        done = sixstack("params", str(self.cluster(tmp_path, "net.yaml")))
        assert json.loads(done.stdout)["cluster"]["cni"] == {"kind": "manifests", "files": [str(tmp_path / "net.yaml")]}
        assert b"DaemonSet" not in done.stdout

    def test_a_file_that_is_missing_is_an_error_beside_the_cluster_file(self, tmp_path: Path) -> None:
        """Named by its whole path it may be on the worker's machine: a warning."""
        done = sixstack("check", str(self.cluster(tmp_path, "net.yaml", "/nowhere/net.yaml")))
        assert done.returncode == 1
        assert b"error: line" in done.stdout
        assert b"cni.files[0]" in done.stdout
        assert b"warning: line" in done.stdout
        assert sixstack("check", str(self.cluster(tmp_path, "/nowhere/net.yaml"))).returncode == 0
