"""Set the runs of a worker that is gone to Crashed, before it starts again: `python -m server.lost_runs` in the folder with prefect.toml."""

from __future__ import annotations

from pathlib import Path

from server.folder import ServerFolder

if __name__ == "__main__":
    folder = ServerFolder(Path.cwd())
    folder.wait_until_it_answers(lambda: True, str)  # at boot, both units start together
    folder.crash_lost_runs(print)
