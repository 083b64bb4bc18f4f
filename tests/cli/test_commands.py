"""Exit codes and words of commands that lack something around them: 1 problems, 2 usage, 3 environment."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import COMMANDS, main
from cli.required_server import no_deployment
from demo.local_prefect import SIXSTACK
from tests.conftest import Workplace

EXAMPLE = Path(__file__).parents[2] / "deployments" / "examples" / "dual-stack.yaml"
NOWHERE = "http://127.0.0.1:9/api"
WITHOUT_PREFECT = [sys.executable, str(Path(__file__).with_name("run_without_prefect.py"))]


def without_server(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `sixstack` where PREFECT_API_URL names a server that is not there."""
    return with_settings(folder, *arguments, PREFECT_API_URL=NOWHERE)


def with_settings(
    folder: Path, *arguments: str, program: list[str] = SIXSTACK, feed: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `sixstack` with no settings of Prefect but these variables."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return subprocess.run(
        [*program, *arguments],
        cwd=folder,
        # HOME: there would be the pointer to the server of sixstack setup
        env={**environment, "HOME": str(folder), "PREFECT_HOME": str(folder), **variables},
        input=feed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`sixstack COMMAND --help` exits with 0 and has words for every argument."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: sixstack {command}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["check"],
        ["delete", "file.yaml"],
        ["node", "fd00::1"],
        ["audit"],
        ["plan", "file.yaml", "--output", "xml"],
        ["renew", "file.yaml", "--within", "-1"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing or unknown is said on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: sixstack" in capsys.readouterr().err


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error: a script has forgotten something."""
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert all(command in printed.err for command in COMMANDS)


def test_a_mistyped_command_is_answered_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of all commands follows only where none is near."""
    with pytest.raises(SystemExit):
        main(["craete", "demo"])
    assert "did you mean create?" in capsys.readouterr().err


# every command that reads a cluster file, with what else it needs
OF_A_FILE = pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["params"],
        ["plan"],
        ["pin"],
        ["create"],
        ["upgrade"],
        ["diff"],
        ["verify"],
        ["certificates"],
        ["renew"],
        ["delete", "--confirm", "x"],
    ],
    ids=lambda words: words[0],
)


@OF_A_FILE
def test_an_unreadable_file_is_2(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is named, before any server is looked for."""
    assert main([*command, str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


@OF_A_FILE
def test_a_file_with_problems_is_1(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All problems are printed, before any server is looked for."""
    file = tmp_path / "bad.yaml"
    file.write_text("name: demo\nstack: ipv5\nhosts: []\n")
    assert main([*command, str(file)]) == 1
    captured = capsys.readouterr()
    for path in ("stack", "hosts"):
        assert path in captured.out + captured.err


@pytest.mark.parametrize("command", [["delete"], ["restore", "--identity", "/none"], ["mark-test-hosts"]], ids=lambda words: words[0])
def test_a_wrong_confirmation_is_2_before_a_run_starts(command: list[str], tmp_path: Path) -> None:
    """No server is needed to find it."""
    done = without_server(tmp_path, command[0], str(EXAMPLE), *command[1:], "--confirm", "other")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "--confirm demo" in done.stderr


def test_params_are_the_document_for_the_deployment(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object with the parameter `cluster`, and nothing else on standard output."""
    assert main(["params", str(EXAMPLE)]) == 0
    parameters = json.loads(capsys.readouterr().out)
    assert list(parameters) == ["cluster"]
    assert parameters["cluster"]["stack"] == "dual-stack"


def test_an_address_that_is_none_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Said before any server is looked for."""
    assert main(["node", "fd00:::1", "--cluster", "demo"]) == 2
    assert "fd00:::1" in capsys.readouterr().err


NEED_THE_SERVER: list[list[str]] = [
    ["plan", str(EXAMPLE)],
    ["create", str(EXAMPLE)],
    ["upgrade", str(EXAMPLE)],
    ["diff", str(EXAMPLE)],
    ["delete", str(EXAMPLE), "--confirm", "demo"],
    ["certificates", str(EXAMPLE)],
    ["renew", str(EXAMPLE)],
    ["pin", str(EXAMPLE)],
    ["pin", "demo", "--forget", "node-1"],
    ["audit", "demo"],
    ["backups", str(EXAMPLE)],
    ["clusters"],
    ["verify", str(EXAMPLE)],
    ["save", str(EXAMPLE)],
    ["notify", "--webhook", "chat"],
    ["retest", "demo"],
    ["retests"],
    ["schedule-retests", "--list"],
    ["mark-test-hosts", "demo", "--confirm", "demo"],
    ["kubeconfig", "demo"],
    ["kubectl", "demo", "--", "get", "nodes"],
    ["node", "fd00::1", "--cluster", "demo"],
]


@pytest.mark.parametrize("arguments", NEED_THE_SERVER, ids=lambda words: " ".join(words[::2]))
def test_a_server_that_does_not_answer_is_3(arguments: list[str], tmp_path: Path) -> None:
    """The URL that could not be reached is named, without a traceback, and without the second that an import of Prefect takes."""
    done = with_settings(tmp_path, *arguments, program=WITHOUT_PREFECT, PREFECT_API_URL=NOWHERE, PREFECT_API_AUTH_STRING="admin:x")
    assert done.returncode == 3, done.stdout + done.stderr
    assert NOWHERE in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_without_a_password_that_does_not_answer_is_3(tmp_path: Path) -> None:
    """Prefect is asked for its settings, which may be in other places."""
    done = without_server(tmp_path, "clusters")
    assert done.returncode == 3, done.stdout + done.stderr
    assert NOWHERE in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["clusters"], ["pin", "demo", "--forget", "node-1"], ["audit", "demo"]], ids=lambda words: words[0])
def test_the_need_of_a_server_is_told_without_an_import_of_prefect(arguments: list[str], tmp_path: Path) -> None:
    """As before `sixstack setup`."""
    done = with_settings(tmp_path, *arguments, program=WITHOUT_PREFECT)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "no Prefect server is configured" in done.stderr


@pytest.mark.server
@pytest.mark.parametrize(
    "arguments", [["kubeconfig", "nobody"], ["kubectl", "nobody", "--", "version"], ["audit", "nobody", "--store", "nobody"]], ids=" ".join
)
def test_a_block_that_is_not_there_is_3(prefect_server: Workplace, arguments: list[str]) -> None:
    """The block's type and name are told."""
    done = prefect_server.sixstack(*arguments)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "there is no block `nobody`" in done.stderr


def test_the_recipient_of_a_new_identity_is_the_only_line_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a script. The private identity is printed nowhere; a second call prints the same recipient."""
    file = tmp_path / "identity.txt"
    assert main(["backup-key", str(file)]) == 0
    first = capsys.readouterr()
    assert first.out.startswith("age1")
    assert len(first.out.splitlines()) == 1
    assert "created the private identity" in first.err
    assert "AGE-SECRET" not in first.out + first.err
    assert main(["backup-key", str(file)]) == 0
    assert capsys.readouterr().out == first.out


@pytest.mark.parametrize("options", [["--url", "/srv/copies"], ["--overwrite"]])
def test_settings_of_a_block_without_its_name_are_a_usage_error(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing would be saved. No identity is made either."""
    file = tmp_path / "identity.txt"
    assert main(["backup-key", str(file), *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--register" in printed.err
    assert not file.exists()


def test_a_file_without_an_identity_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And it is kept."""
    file = tmp_path / "notes.txt"
    file.write_text("notes")
    assert main(["backup-key", str(file)]) == 3
    assert str(file) in capsys.readouterr().err
    assert file.read_text() == "notes"


@pytest.mark.server
def test_backup_key_saves_a_block_and_replaces_another_only_when_asked(prefect_server: Workplace, tmp_path: Path) -> None:
    """A block with another recipient belongs to somebody: its copies would still be readable for them only."""
    command = ["--register", "off-site", "--url", str(tmp_path / "copies")]
    for file, options, code, outcome in (
        ("mine", [], 0, "created"),
        ("mine", [], 0, "unchanged"),
        ("other", [], 1, "was kept"),
        ("other", ["--overwrite"], 0, "replaced"),
    ):
        done = prefect_server.sixstack("backup-key", str(tmp_path / file), *command, *options)
        assert (done.returncode, outcome in done.stderr) == (code, True), done.stdout + done.stderr
        block = prefect_server.api("/block_types/slug/backup-store/block_documents/name/off-site")
        assert (block["data"]["recipient"] == done.stdout.strip()) == (code == 0)


def test_a_file_name_that_is_taken_for_a_saved_cluster_is_explained_also_without_a_server(tmp_path: Path) -> None:
    """Such a name was a file before clusters could be saved, and `check` needed no server."""
    (tmp_path / "demo").write_bytes(EXAMPLE.read_bytes())
    done = without_server(tmp_path, "check", "demo")
    assert done.returncode == 3
    assert "write ./demo" in done.stderr
    assert without_server(tmp_path, "check", "./demo").returncode == 0


@pytest.mark.parametrize("path", ["", str(Path(sys.executable).parent)])
def test_the_command_that_registers_deployments_works_from_any_folder(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names this installation's prefect, by its path if the PATH has none, and the file by its whole path."""
    monkeypatch.setenv("PATH", path)
    hint = str(no_deployment("flow/none", "URL"))
    program, file = hint.rpartition("register it: ")[2].split(" deploy --all --prefect-file ")
    assert Path(file).is_absolute()
    assert Path(file).exists()
    assert shutil.which(program) is not None


def test_no_text_of_the_product_names_a_file_of_its_repository() -> None:
    """An installation does not have these files. Texts may name pages of the documentation by their path; docstrings are for readers of the code."""
    root = Path(__file__).parents[2]
    named = []
    for package in ("blocks", "bundle", "cli", "cluster", "flows", "hosts", "importers", "kube", "runs", "tasks"):
        for path in (root / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            named += [
                f"{path.relative_to(root)}:{node.lineno}: {node.value}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
                if re.search(r"(^|[\s`(])(deployments|templates|tests)/\w", node.value)
            ]
    assert named == []


@pytest.mark.parametrize("name", ["a?b", "a#b", "..", "\x1b[31mred", "not\udcffUTF-8", "x" * 64, ""], ids=repr)
@pytest.mark.parametrize(
    "command",
    [["kubeconfig"], ["kubectl"], ["node", "::1", "--cluster"], ["audit"], ["audit", "demo", "--store"], ["retests", "--store"]],
    ids=" ".join,
)
def test_a_name_that_is_no_block_is_2(
    command: list[str], name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a part of an address of the server."""
    monkeypatch.setattr("cli.required_server.require_server", lambda: None)
    monkeypatch.setattr("blocks.prefect_api.prefect_api", lambda: pytest.fail("asked the server"))
    try:
        code = main([*command, name])
    except SystemExit as ended:
        code = int(str(ended.code))
    printed = capsys.readouterr()
    assert code == 2
    assert "not the name of a block" in printed.err
    assert all(line.isprintable() for line in printed.err.splitlines())


@pytest.mark.parametrize(
    "command",
    [
        ["backup-key"],
        ["restore", "demo", "--confirm", "demo", "--identity"],
        ["retest", "--restore-with"],
        ["credential", "add", "x", "--key"],
        ["init", "--known-hosts"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("path", ["", "~nobody-has-this-name/file"])
def test_a_path_of_nobody_is_2(command: list[str], path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty one is that of an unset variable."""
    with pytest.raises(SystemExit) as ended:
        main([*command, path])
    assert ended.value.code == 2
    assert repr(path) in capsys.readouterr().err
