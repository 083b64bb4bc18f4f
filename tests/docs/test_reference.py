"""The generated pages of docs/reference are those of the code."""

import importlib.util
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "docs/reference"


@pytest.mark.parametrize("name", ["cluster-file.md", "problems.md", "releases.md"])
def test_a_page_is_current(name: str) -> None:
    """Run `python docs/reference/generate.py` after a change of the models or rules."""
    found = importlib.util.spec_from_file_location("generate", REFERENCE / "generate.py")
    assert found is not None
    assert found.loader is not None
    generate = importlib.util.module_from_spec(found)
    found.loader.exec_module(generate)
    assert (REFERENCE / name).read_text(encoding="utf-8") == generate.PAGES[name]()
