"""Set the runs of this machine's worker to Crashed, before it starts again: `python -m server.lost_runs` in the folder with prefect.toml."""

from __future__ import annotations

from pathlib import Path

from server.folder import ServerFolder
from server.processes import worker_name

if __name__ == "__main__":
    folder = ServerFolder(Path.cwd())
    folder.wait_until_it_answers(lambda: True, str)  # at boot, both units start together
    folder.crash_lost_runs(print, worker=worker_name())
