"""Links, commands, options, make targets and titles of the pages are valid, and no tracked file names a package registry."""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import cluster.rules.on_facts  # noqa: F401 - registers the rules
from cli.main import COMMANDS, module_of
from cluster.rules.registry import RULES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

NAME_IN_FILE = re.compile(r"`(\w+)` in \[[^]]*\]\(([^)#]+\.py)\)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
# where a command begins: of a line, after a pipe, in $(...)
COMMAND = re.compile(r"(?:^|[|(;]\s*)(?:\.venv/bin/)?sixstack +(.*)")
# in pieces, so that this file is not the one it finds
REGISTRIES = [
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("goproxy", "io"),
        ("goproxy", "cn"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("ftp", "debian", "org"),
        ("security", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("ports", "ubuntu", "com"),
    )
]


def slug(heading: str) -> str:
    """The anchor that a heading gets on a page: lower case, words joined by dashes."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def tracked() -> list[Path]:
    """The files of this repository, those to be committed too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def commands_in(text: str) -> Iterator[list[str]]:
    """The words after each `sixstack` of a page: in code blocks, and in code inside of sentences."""
    blocks = [line for _, block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for code in [*blocks, *SPAN.findall(FENCE.sub("", text))]:
        if found := COMMAND.search(code.strip()):
            yield re.split(r"\s#\s|[|)>]", found[1])[0].split()


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a subcommand, as cli/main.py makes it."""
    parser = argparse.ArgumentParser()
    importlib.import_module(module_of(name)).configure(parser)
    return parser


def faults_of(words: list[str]) -> Iterator[str]:
    """What a `sixstack WORDS` of a page names and the command does not have."""
    name, *rest = words
    if not name.islower() or name.startswith("-"):  # COMMAND, or --help
        return
    if name not in COMMANDS:
        yield f"no subcommand {name}"
        return
    parser = parser_of(name)
    nested = next((action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)
    if nested and rest and rest[0].islower() and not rest[0].startswith("-"):
        if rest[0] not in nested:
            yield f"no {name} {rest[0]}"
            return
        parser = nested[rest[0]]
    known = parser._option_string_actions
    for word in rest:
        if word == "--":  # what follows is for another program
            return
        option = word.split("=")[0].strip("[]")
        if re.fullmatch(r"--?[a-z][a-z-]*", option) and option not in known:
            yield f"{name} has no {option}"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_begins_with_its_title(name: str) -> None:
    """The first line is the one heading of the first level."""
    lines = FENCE.sub("", (ROOT / name).read_text(encoding="utf-8")).splitlines()
    assert [line for line in lines if line.startswith("# ")] == lines[:1]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    """Each relative link names a file that is there, and an anchor a heading of it."""
    page = ROOT / name
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", FENCE.sub("", target.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in map(slug, headings), f"{name}: {link}"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_file_is_defined_there(name: str) -> None:
    """Where a page says `NAME` in [FILE](FILE), the Python file defines the name. An import of the name is not enough."""
    page = ROOT / name
    for what, link in NAME_IN_FILE.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        text = (page.parent / link).read_text(encoding="utf-8")
        assert re.search(rf"(?m)^ *(class |def |async def )?{re.escape(what)}\b *[:(=]", text), f"{name}: {what} in {link}"


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist(name: str) -> None:
    """Each `sixstack` command of a page has that subcommand and those options."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [f"sixstack {' '.join(words)}: {fault}" for words in commands_in(text) for fault in faults_of(words)] == []


def test_messages_and_examples_name_commands_that_exist() -> None:
    """The same for what programs, templates and examples tell people to run."""
    faults = [
        f"{path.relative_to(ROOT)}: sixstack {' '.join(words)}: {fault}"
        for path in tracked()
        if path.suffix in {".py", ".yaml", ".j2", ".toml"} and path.parts[len(ROOT.parts)] != "tests"
        for span in SPAN.findall(path.read_text(encoding="utf-8"))
        if "{" not in span and (words := span.split())[0] == "sixstack" and len(words) > 1
        for fault in faults_of(words[1:])
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [("frobnicate x", "no subcommand frobnicate"), ("lab fly --lab x", "no lab fly"), ("check --speed FILE", "check has no --speed")],
)
def test_a_wrong_command_is_detected(said: str, fault: str) -> None:
    """A page with an unknown command fails."""
    (words,) = commands_in(f"```sh\nx | .venv/bin/sixstack {said}   # why\n```\n")
    assert list(faults_of(words)) == [fault]


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_exist(name: str) -> None:
    """Each `make TARGET` of a page is one of the Makefile."""
    rules = re.findall(r"^([a-z0-9 -]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    text = (ROOT / name).read_text(encoding="utf-8")
    code = [line for _, block in FENCE.findall(text) for line in block.splitlines()] + SPAN.findall(FENCE.sub("", text))
    named = {found[1] for line in code if (found := re.match(r"make ([a-z0-9-]+)", line))}
    assert named <= targets


def test_each_decision_is_in_the_list() -> None:
    """The list of decisions has every page of docs/decisions."""
    folder = ROOT / "docs" / "decisions"
    listed = set(LINK.findall((folder / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in folder.glob("*.md")} - {"README.md"} <= listed


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is decided by each machine's own configuration: lock, lab and pages work with any mirror."""
    found = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked()
        for text in [path.read_bytes().decode(errors="replace").lower()]
        for host in REGISTRIES
        if host in text
    ]
    assert found == []


WRITES_PASSWORD = re.compile(r"\bsixstack +prefect-settings\b|\bmake +demo\b")
PASSWORD = re.compile(r'^auth_string *= *".+"|\bPREFECT_(?:SERVER_)?API_AUTH_STRING=\S', re.MULTILINE)
SERVER_START = re.compile(r"\bprefect +server +start\b")
SERVER_SETTINGS = re.compile(r"^\[(?:server\.)?api\]|\bPREFECT_API_URL=", re.MULTILINE)


def without_password(text: str) -> list[str]:
    """The code blocks of a page that configure a Prefect server or its clients without a password, or start a server before there is one."""
    found, there = [], False
    for _, block in FENCE.findall(text):
        told = bool(PASSWORD.search(block))
        there = there or told or bool(WRITES_PASSWORD.search(block))
        if (SERVER_SETTINGS.search(block) and not told) or (SERVER_START.search(block) and not there):
            found.append(block)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_page_shows_a_server_without_a_password(name: str) -> None:
    """Who follows a page from its top has a password before a server starts, and in all settings."""
    assert without_password((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "block",
    [
        "prefect server start        # the UI is at http://127.0.0.1:4200",
        '[api]\nurl = "http://127.0.0.1:4200/api"',
        '[server.api]\nhost = "127.0.0.1"\nport = 4200',
        '[server.api]\nauth_string = ""',
        "export PREFECT_API_URL=http://127.0.0.1:4200/api",
        "prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api",
    ],
)
def test_a_server_without_a_password_is_detected(block: str) -> None:
    """A page with one of these fails, also when a later block has the password."""
    fenced = f"```sh\n{block}\n```\n"
    assert without_password(f"{fenced}```sh\nsixstack prefect-settings FOLDER\n```\n") == [f"{block}\n"]
    assert without_password(f'```toml\n{block}\nauth_string = "USER:PASSWORD"\n```\n') == []


def test_the_tests_of_the_faults_exist() -> None:
    """Each row of the page names at least one test, and every file, test and class is there."""
    rows = [line for line in (ROOT / "docs/reference/faults.md").read_text().splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(rows) >= 40
    named = {found for row in rows for found in re.findall(r"`(tests/[a-z_/0-9]+\.py)(?:::([A-Za-z_0-9]+))?`", row)}
    there = {path: (ROOT / path).read_text() for path, _ in named if (ROOT / path).exists()}
    assert sorted(path for path, _ in named if path not in there) == []
    assert sorted(f"{path}::{name}" for path, name in named if name and not re.search(rf"(def|class) {name}\b", there[path])) == []
    assert len([name for _, name in named if name]) >= 70


def test_every_hint_on_a_host_is_followed_by_a_test_or_has_a_reason_not_to() -> None:
    """The page lists each rule on facts once; the test of states has the code of each rule that it follows."""
    hints = (ROOT / "docs/reference/faults.md").read_text().partition("## Hints on hosts")[2]
    followed, _, others = hints.partition("| not followed |")
    codes = {rule.code for rule in RULES if rule.scope.needs_facts}
    listed = [word for part in (followed, others) for row in part.splitlines() for word in SPAN.findall(row) if word in codes]
    assert sorted(listed) == sorted(codes)
    states = re.findall(r"[a-z0-9-]+", (ROOT / "tests/hosts/test_host_states.py").read_text())
    assert sorted(word for word in SPAN.findall(followed) if word in codes and word not in states) == []
