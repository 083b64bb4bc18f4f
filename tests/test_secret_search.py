"""The search for secrets finds every form, and nothing that is public."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.secret_search import Found, SecretSearch, kinds_of, marker_text, markers, openssh_key, rsa_key


def test_every_marker_is_found_in_texts_and_files(tmp_path: Path) -> None:
    """In one text, and in a binary file among others."""
    marked = markers()
    search = SecretSearch({name: marker.secret for name, marker in marked.items()})
    assert kinds_of(search.in_texts({"nothing": "a\nb\n", "all": marker_text(marked)})) == set(marked)
    assert {found.where for found in search.in_texts({"nothing": "a\nb\n", "all": marker_text(marked), "more": "c"})} == {"all"}
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"\0\xff" + marker_text(marked).encode() + b"\0")
    (tmp_path / "harmless").write_text("harmless")
    assert kinds_of(search.in_files(tmp_path)) == set(marked)
    assert search.in_files(tmp_path, without=[tmp_path / "folder"]) == []


def test_each_marker_is_found_alone() -> None:
    """The text of a marker has its own secret and no other."""
    marked = markers()
    search = SecretSearch({kind: marker.secret for kind, marker in marked.items()})
    for name, marker in marked.items():
        assert search.in_texts({"text": f"before {marker.text} behind"}) == [Found(name, "text")]


def test_what_every_key_has_is_no_secret() -> None:
    """Headings and first bytes of other keys, and certificates of the same key."""
    search = SecretSearch({"SSH key": openssh_key(), "RSA key": rsa_key()})
    assert search.in_texts({"others": openssh_key() + rsa_key() + rsa_key()}) == []


def test_a_public_text_is_no_secret() -> None:
    """The lines that a key shares with its certificate are not searched for, the others are."""
    key = rsa_key()
    lines = key.splitlines()
    search = SecretSearch({"key": key}, public=["\n".join(lines[1:4])])
    assert search.in_texts({"certificate": lines[2]}) == []
    assert search.in_texts({"key": lines[9]}) == [Found("key", "key")]


def test_a_secret_that_is_public_is_refused() -> None:
    """Else a search for it would find nothing, and would prove nothing."""
    with pytest.raises(ValueError, match="the key"):
        SecretSearch({"the key": "public-after-all"}, public=["this is public-after-all"])
