"""`sixstack import`, as a user of TKEStack runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from cluster.file.reader import read_document, read_text
from demo.local_prefect import SIXSTACK
from tests.cli.test_commands import NOWHERE, without_server
from tests.conftest import CommandLines, Workplace
from tests.importers.kubespray.samples import DUAL_STACK, HOSTS
from tests.importers.tkestack.samples import CASES, MASTER, PASSWORD, WORKER, dual_stack_cluster, encoded, worker

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBqvnZS2eVUvBbLnbNYwNGqQSdPVqsLW5GzBkeyM3b0e"

READ_CREDENTIALS = str(Path(__file__).with_name("read_credentials.py"))


def written(folder: Path, *documents: dict[str, Any]) -> list[str]:
    """The documents in files of their own, with tabs where the proposal's have them."""
    files = []
    for index, document in enumerate(documents):
        path = folder / f"document-{index}.json"
        path.write_text(json.dumps(document, indent="\t"), encoding="utf-8")
        files.append(str(path))
    return files


class TestClusterFile:
    """Without blocks: no server is needed."""

    @pytest.mark.parametrize("case", CASES)
    def test_check_accepts_what_import_wrote(self, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """To a file, whose comments say what was changed; a second time it is the same."""
        target = str(tmp_path / "cluster.yaml")
        command = ["import", *written(tmp_path, *CASES[case]), "--no-blocks", "--trust-on-first-use", "--to", target]
        assert main(command) == 0
        told = capsys.readouterr()
        assert told.out == ""
        assert "kubernetes_version: 1.36.3: v1.18.3 is not supported" in told.err
        assert f"sixstack check {target}" in told.err
        assert main(["check", target]) == 0
        text = Path(target).read_text(encoding="utf-8")
        assert "# changed: " in text
        assert PASSWORD not in text + told.err
        assert encoded(PASSWORD) not in text + told.err
        assert main(command) == 0
        assert Path(target).read_text(encoding="utf-8") == text

    def test_the_file_goes_to_standard_output_and_all_else_does_not(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """So that it can be piped; names and host keys come from options."""
        known = tmp_path / "known_hosts"
        known.write_text(f"{MASTER['ipv4']} {KEY}\n{WORKER['ipv4']} {KEY}\n")
        files = written(tmp_path, *CASES["dual-stack"])
        options = ["--name", f"{MASTER['ipv4']}=vm-0-67-ubuntu", "--known-hosts", str(known), "--cni", "flannel", "--tkestack-labels"]
        assert main(["import", *files, "--no-blocks", *options]) == 0
        spec = read_text(capsys.readouterr().out).spec
        assert spec is not None
        assert [host.name for host in spec.hosts] == ["vm-0-67-ubuntu", "mc-9r2dkcqj"]
        assert {host.ssh.host_key for host in spec.hosts} == {KEY}
        assert spec.cni.kind == "flannel"
        assert spec.tkestack_labels

    def test_without_host_keys_the_file_has_problems_to_fix(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit 1, and what to do."""
        target = tmp_path / "cluster.yaml"
        assert main(["import", *written(tmp_path, *CASES["ipv6"]), "--no-blocks", "--to", str(target)]) == 1
        assert target.exists()
        assert "--trust-on-first-use" in capsys.readouterr().err

    def test_the_fate_of_every_field_as_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The document, what became of every field, problems and blocks."""
        assert main(["import", *written(tmp_path, *CASES["dual-stack"]), "--no-blocks", "--trust-on-first-use", "--output", "json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert read_document(answer["cluster"]).spec is not None
        assert {change["fate"] for change in answer["changes"]} == {"taken over", "changed", "not taken over", "added"}
        assert [problem["code"] for problem in answer["problems"]] == ["public-range"]
        assert answer["blocks"] == [{"name": "cls-7q46p7mt-root", "user": "root", "saved": "not saved"}]

    def test_documents_come_from_standard_input(self, tmp_path: Path) -> None:
        """`kubectl get clusters,machines -o json | sixstack import -`."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(CASES["ipv6"])})
        command = [*SIXSTACK, "import", "-", "--no-blocks"]
        done = subprocess.run(
            [*command, "--trust-on-first-use"], input=listed, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert read_text(done.stdout).spec is not None


class TestKubespray:
    """The folder of an inventory."""

    def test_the_folder_is_read_with_its_variables(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """hosts.yaml, group_vars and host_vars; check accepts the file, and each variable has its place."""
        for name, text in {
            "hosts.yaml": HOSTS,
            "group_vars/k8s_cluster/k8s-cluster.yml": DUAL_STACK,
            "host_vars/node2.yml": "node_labels: {disk: ssd}\n",
            "group_vars/all/notes.txt": "not variables",
        }.items():
            path = tmp_path / "inventory" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        target = str(tmp_path / "cluster.yaml")
        assert main(["import", str(tmp_path / "inventory"), "--no-blocks", "--trust-on-first-use", "--to", target]) == 0
        told = capsys.readouterr().err
        assert f"{tmp_path}/inventory/group_vars/k8s_cluster/k8s-cluster.yml: bin_dir: all files" in told
        assert "notes.txt" not in told
        assert main(["check", target]) == 0
        assert "disk: ssd" in Path(target).read_text()

    def test_a_folder_without_an_inventory_is_2(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With the names that are looked for; --from names the tool of other files."""
        assert main(["import", str(tmp_path), "--no-blocks"]) == 2
        assert "hosts.yaml" in capsys.readouterr().err
        (tmp_path / "list").write_text("all: {hosts: {}}\n")
        assert main(["import", str(tmp_path / "list"), "--no-blocks", "--from", "kubespray"]) == 1
        assert "[no-control-plane-group]" in capsys.readouterr().err


class TestFaults:
    """Nothing is written."""

    def test_every_fault_is_named_with_its_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The documents as they are published have crosses where a password belongs."""
        target = tmp_path / "cluster.yaml"
        files = written(tmp_path, dual_stack_cluster(password="xxxxxx"), worker(WORKER["ipv4"], "cls-1", password="xxxxx", port=0.5))
        assert main(["import", *files, "--to", str(target)]) == 1
        told = capsys.readouterr().err
        assert "spec.machines[0].password: " in told
        assert "spec.port: " in told
        assert told.count("error: line ") == 3
        assert "3 problems: nothing was written" in told
        assert not target.exists()

    @pytest.mark.parametrize(
        "options", [["--name", "x"], ["--name", "172.22.0.300=a"], ["--known-hosts", "/nowhere/known_hosts"]], ids=lambda words: words[0]
    )
    def test_options_that_cannot_be_read_are_2(self, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Each is named."""
        assert main(["import", *written(tmp_path, *CASES["ipv6"]), "--no-blocks", *options]) == 2
        assert options[-1] in capsys.readouterr().err

    def test_another_file_is_not_overwritten_unasked(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It may have been edited."""
        target = tmp_path / "cluster.yaml"
        target.write_text("name: mine\n")
        command = ["import", *written(tmp_path, *CASES["ipv6"]), "--no-blocks", "--trust-on-first-use", "--to", str(target)]
        assert main(command) == 2
        assert "--overwrite" in capsys.readouterr().err
        assert target.read_text() == "name: mine\n"
        assert main([*command, "--overwrite"]) == 0
        assert "imported" in target.read_text()

    def test_without_a_server_the_file_is_there_and_the_logins_are_not(self, tmp_path: Path) -> None:
        """Exit 3, and how to go on."""
        done = without_server(tmp_path, "import", *written(tmp_path, *CASES["ipv6"]), "--trust-on-first-use", "--to", "cluster.yaml")
        assert done.returncode == 3, done.stdout + done.stderr
        assert NOWHERE in done.stderr
        assert "1 login is not saved" in done.stderr
        assert "Traceback" not in done.stderr
        assert (tmp_path / "cluster.yaml").exists()


@pytest.mark.server
class TestBlocks:
    """One block for each distinct login, in a real Prefect server."""

    def test_each_login_is_saved_once_and_never_shown(self, prefect_server: Workplace, tmp_path: Path) -> None:
        """Two passwords are two blocks, which the cluster file names; no output and no command line of any process has them."""
        second = "another password of the worker's"
        files = written(tmp_path, dual_stack_cluster(), worker(WORKER["ipv4"], "cls-blocks", password=encoded(second)))
        target = tmp_path / "cluster.yaml"
        with CommandLines() as lines:
            done = prefect_server.sixstack("import", *files, "--trust-on-first-use", "--to", str(target), own_start=True)
        assert done.returncode == 0, done.stderr
        spec = read_text(target.read_text()).spec
        assert spec is not None
        names = [host.ssh.credential for host in spec.hosts]
        assert names == ["cls-blocks-root", "cls-blocks-root-2"]
        assert all(f"SSH credential block {name} (user root): created" in done.stderr for name in names)
        saved = prefect_server.python(READ_CREDENTIALS, feed=json.dumps(names))
        assert json.loads(saved.stdout) == [[PASSWORD], [second]], saved.stderr
        shown = done.stdout + done.stderr + target.read_text() + "\n".join(lines.seen)
        assert not [secret for secret in (PASSWORD, second) for text in (secret, encoded(secret)) if text in shown]

    def test_a_block_with_another_login_is_replaced_only_when_asked(self, prefect_server: Workplace, tmp_path: Path) -> None:
        """The same login again is no change; another one is a problem until --overwrite."""

        def run(password: str, *options: str) -> tuple[int, str]:
            cluster = {**dual_stack_cluster(password=encoded(password)), "metadata": {"name": "cls-again"}}
            done = prefect_server.sixstack("import", *written(tmp_path, cluster), "--trust-on-first-use", "--output", "json", *options)
            return done.returncode, json.loads(done.stdout)["blocks"][0]["saved"]

        assert run("first") == (0, "created")
        assert run("second") == (1, "differs")
        assert run("second", "--overwrite") == (0, "replaced")
        assert run("second") == (0, "unchanged")
        held = prefect_server.python(READ_CREDENTIALS, feed='["cls-again-root"]')
        assert json.loads(held.stdout) == [["second"]]


def test_all_wrong_options_are_reported_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the option and its value."""
    wrong = ["--name", "x", "--name", "y=z", "--known-hosts", str(tmp_path / "known"), str(tmp_path / "one"), str(tmp_path / "two")]
    assert main(["import", *wrong, "--no-blocks"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert all(sum(word in line for line in lines) == 1 for word in ("'x'", "'y=z'", "--known-hosts", "one", "two"))
