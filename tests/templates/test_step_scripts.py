"""The scripts of hosts/ are sound POSIX shell: what shellcheck and dash say of them, rendered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from templates import render

FILE = {
    "size": 5, "encoding": "gzip", "mode": "0755", "sha256": "0" * 64, "content_sha256": "1" * 64, "content_size": 9, "target": "/usr/local/bin/it's",
}  # fmt: skip
IMAGE = {"size": 5, "encoding": "identity", "sha256": "0" * 64, "images": ("example.org/a:1",), "unpack": True}
STEP = {"step": "init-control-plane", "cluster": "demo"}
SCRIPTS: list[tuple[str, dict[str, Any]]] = [
    ("upload", {"files": [FILE, {**FILE, "encoding": "identity"}], "folders": {"/usr/local/bin": 70000, "/it's": 5}}),
    ("import-images", {"files": [IMAGE, {**IMAGE, "encoding": "gzip", "unpack": False}], "kib": 5}),
    ("detached", {**STEP, "unit_limit": 60, "stops_others": False}),
    ("detached", {**STEP, "unit_limit": 60, "stops_others": True}),
    ("unit", {**STEP, "limit": 60}),
    ("fence", {"cluster": "demo", "run": "run-1", "fenced": 77}),
    ("lock", {"cluster": "demo", "run": "run-1", "silence": 60}),
]


@pytest.mark.parametrize(("name", "values"), SCRIPTS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(SCRIPTS)])
def test_a_script_passes_shellcheck_as_posix_shell(name: str, values: dict[str, Any], tmp_path: Path) -> None:
    """`sh` on the hosts is dash."""
    script = tmp_path / "script"
    script.write_text(render(f"step/{name}.sh.j2", **values))
    subprocess.run(["/bin/sh", "-n", str(script)], check=True)
    checked = subprocess.run(
        [Path(sys.executable).parent / "shellcheck", "-s", "sh", str(script)], capture_output=True, text=True, check=False
    )
    assert checked.stdout == ""
    assert checked.returncode == 0
