"""The lock for installations of your own: the packages that sixstack runs with, in the versions of the tests, and no others."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bundle.sbom import locked_hashes

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ALL, RUN = (locked_hashes((ROOT / name).read_text(encoding="utf-8")) for name in ("requirements.lock", "requirements-run.lock"))


def needed(requirements: list[str]) -> set[str]:
    """The packages of these requirements on this platform, with all that they need, from what is installed."""
    found: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in map(Requirement, requirements)]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ("", *requirement.extras):
            if (key := (canonicalize_name(requirement.name), wanted)) not in found:
                found.add(key)
                own = importlib.metadata.requires(requirement.name) or []
                waiting += [(Requirement(text), wanted) for text in own]
    return {name for name, _ in found}


def test_the_second_lock_has_the_versions_and_hashes_of_the_first() -> None:
    """An installation runs with what the tests ran with."""
    assert RUN
    assert {key: set(hashes) for key, hashes in RUN.items()} == {key: set(ALL[key]) for key in RUN if key in ALL}


def test_the_second_lock_has_what_sixstack_runs_with_and_nothing_else() -> None:
    """On this platform; packages of other platforms are in both locks."""
    wanted = needed([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["install"]])
    installed = {canonicalize_name(found.metadata["Name"]) for found in importlib.metadata.distributions()}
    assert {name for name, _ in RUN} & installed == wanted


def test_no_tool_of_development_is_in_the_second_lock() -> None:
    """On no platform."""
    tools = {canonicalize_name(Requirement(text).name) for text in PROJECT["optional-dependencies"]["dev"]}
    assert len(tools) >= 10
    assert {name for name, _ in RUN} & tools == set()


def test_the_second_lock_names_no_address() -> None:
    """The registry is a setting of the machine."""
    text = (ROOT / "requirements-run.lock").read_text(encoding="utf-8")
    assert re.findall(r"\w+://\S+|--\w*index\S*", text) == []
