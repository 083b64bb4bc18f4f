"""The script of the probe pods in a real sh, with stand-ins for ping and curl (the lab's clusters run the real programs)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "templates" / "probe" / "probe.sh"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of commands: ping answers only for 10.0.0.1, curl fails once for each URL, sleep does not sleep."""
    scripts = {
        "ping": 'for last; do :; done; echo "PING $last"; echo "second line"; [ "$last" = 10.0.0.1 ]',
        "curl": f'for last; do :; done; case $last in *none*) echo "curl: (6) Could not resolve host" >&2; exit 6 ;; esac; n={tmp_path}/$(echo "$last" | tr / _); [ -e "$n" ] || {{ : >"$n"; echo "curl: (7) no" >&2; exit 7; }}\n'
        'echo "pod-1 $2 *"',
        "sleep": "exit 0",
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(tools: Path, probes: str) -> dict[str, str]:
    """The script's answers by probe number."""
    done = subprocess.run(
        ["sh", "-c", SCRIPT.read_text()],
        input=f"3 3 29417\n{probes}",
        text=True,
        capture_output=True,
        env={"PATH": f"{tools}:/usr/bin:/bin"},
        check=True,
        timeout=30,
    )
    assert done.stderr == ""
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def test_each_probe_gets_one_line_with_exit_code_and_tries(tools: Path) -> None:
    """Several lines of output become one line without expansion, and a second try may succeed."""
    answers = run(tools, "0 ping 4 10.0.0.1\n1 ping 4 10.0.0.2\n2 http 6 http://[fd44::1]:80/\nend\n")
    assert answers == {"0": "0 1 PING 10.0.0.1 second line", "1": "1 3 PING 10.0.0.2 second line", "2": "0 2 pod-1 -g *"}


def test_a_name_that_must_not_resolve_is_probed_too(tools: Path) -> None:
    """An address is a failure, with the address in the output."""
    answers = run(tools, "0 absent 6 http://none.ns.svc.:80/\n1 absent 6 http://there.ns.svc.:80/\nend\n")
    assert answers["0"] == "0 1"
    assert answers["1"].startswith("1 3 ")
    assert "pod-1" in answers["1"]


def test_more_probes_than_a_batch_are_all_answered(tools: Path) -> None:
    """Batches limit the concurrency, not the number of probes."""
    answers = run(tools, "".join(f"{number} ping 4 10.0.0.1\n" for number in range(100)) + "end\n")
    assert sorted(map(int, answers)) == list(range(100))


def test_the_script_is_sound_shell() -> None:
    """shellcheck for POSIX sh, because the published probe image has busybox."""
    done = subprocess.run(
        [Path(sys.executable).parent / "shellcheck", "-s", "sh", str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
