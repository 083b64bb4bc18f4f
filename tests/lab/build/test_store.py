"""The cache of built parts: whole or not there, made once, swept after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.build.store import Store, key_of

BUILDER = str(Path(__file__).with_name("builder.py"))


def test_a_part_is_made_once(tmp_path: Path) -> None:
    """The second time it comes from the cache; with another key it is another part."""
    store, made = Store(tmp_path), []

    def make(target: Path) -> None:
        made.append(target)
        target.write_text("content")

    with store.locked(print):
        one = store.part("kubelet", "key", make)
        assert store.part("kubelet", "key", make) == one
        assert store.part("kubelet", "another", make) != one
    assert len(made) == 2
    assert one.read_text() == "content"


def test_a_damaged_part_is_made_again(tmp_path: Path) -> None:
    """Harm that kept name and size is seen by the digest."""
    store = Store(tmp_path)
    with store.locked(print):
        path = store.part("kubelet", "key", lambda target: _write(target, "good"))
        path.write_text("evil")
        assert store.part("kubelet", "key", lambda target: _write(target, "good")).read_text() == "good"


def test_a_part_that_fails_is_not_there(tmp_path: Path) -> None:
    """What was half made has no good name, and the next builder sweeps it."""
    store = Store(tmp_path)

    def fail(target: Path) -> None:
        target.write_text("half")
        raise ZeroDivisionError

    with store.locked(print), pytest.raises(ZeroDivisionError):
        store.part("kubelet", "key", fail)
    assert not (tmp_path / "parts" / "kubelet-key").exists()
    with store.locked(print):
        assert list((tmp_path / "parts").iterdir()) == []


def test_a_killed_builder_leaves_neither_lock_nor_half_parts(tmp_path: Path) -> None:
    """kill -9 in the middle of a part: the next builder gets the lock at once and finds a clean folder."""
    with subprocess.Popen([sys.executable, BUILDER, str(tmp_path), "kubelet"], stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "half\n"
        os.kill(builder.pid, signal.SIGKILL)
    assert list((tmp_path / "parts").iterdir()) != []
    said: list[str] = []
    with Store(tmp_path).locked(said.append):
        assert list((tmp_path / "parts").iterdir()) == []
    assert said == []


def test_a_second_builder_waits_and_says_so(tmp_path: Path) -> None:
    """Two builds at once: one works until the other has said that it waits, which then follows."""
    with subprocess.Popen([sys.executable, BUILDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "mine\n"
        said: list[str] = []

        def say(line: str) -> None:
            if not said:
                builder.communicate("go on\n")
            said.append(line)

        with Store(tmp_path).locked(say):
            assert builder.poll() == 0
        assert str(tmp_path) in said[0]


def test_a_key_changes_with_its_inputs_only() -> None:
    """The same inputs in another order of keys are the same."""
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def _write(target: Path, text: str) -> None:
    target.write_text(text)
