"""The path of the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.cache import cache_folder


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """$SIXSTACK_CACHE, then $XDG_CACHE_HOME, then ~/.cache."""
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("SIXSTACK_CACHE", raising=False)
    assert cache_folder() == Path("/home/u/.cache/sixstack")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/sixstack")
    monkeypatch.setenv("SIXSTACK_CACHE", "/mine")
    assert cache_folder() == Path("/mine")
