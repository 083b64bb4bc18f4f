"""Fuzz the readers for a time, by structure and by bytes: `python -m tests.fuzz.run --seconds 3600 --log fuzz.log`.

Each input is in a file while it is read, so an input that ends the process is not lost. The log gets one JSON line per minute.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import pickle
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.targets import BYTES, STRUCTURE

_MINUTE = 60.0
_ROUND = 200  # inputs of one target before the next


class Fuzzing:
    """Reads inputs, and counts."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.log = log
        self.runs: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.slowest: dict[str, tuple[float, int]] = {}
        self.current = folder / f"current-{os.getpid()}"
        self.began = self.reported = time.monotonic()

    def read(self, name: str, value: Any, read: Callable[[Any], None]) -> None:
        """Read one input; an exception is counted by its last place, and its first input is kept."""
        data = value if isinstance(value, bytes) else pickle.dumps(value)
        self.current.write_bytes(name.encode() + b"\n" + data)
        start = time.process_time()
        try:
            read(value)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{name}: {type(error).__name__} {Path(last.filename).name}:{last.lineno}"
            if not self.faults[fault]:
                (self.folder / f"fault-{len(self.faults)}").write_bytes(
                    f"{fault}\n{traceback.format_exc()[-3000:]}\n".encode(errors="replace") + data
                )
            self.faults[fault] += 1
        seconds = time.process_time() - start
        self.runs[name] += 1
        if seconds > self.slowest.get(name, (0.0, 0))[0]:
            self.slowest[name] = (round(seconds, 3), len(data))
            if seconds > 1:
                (self.folder / f"slow-{name.replace(' ', '-').replace('/', '-')}").write_bytes(data)
        if time.monotonic() - self.reported > _MINUTE:
            self.report()

    def report(self) -> None:
        """One line of figures."""
        self.reported = time.monotonic()
        figures = {
            "seconds": round(self.reported - self.began),
            "executions": sum(self.runs.values()),
            "exceptions": dict(self.faults),
            "slowest": self.slowest,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "by_target": dict(self.runs),
        }
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(figures) + "\n")


def _structure(fuzzing: Fuzzing, number: int, name: str) -> None:
    make, read = STRUCTURE[name]

    @seed(number)
    @settings(max_examples=_ROUND, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def run(random: Random) -> None:
        fuzzing.read(f"structure/{name}", make(random), read)

    run()


def _bytes(fuzzing: Fuzzing, number: int, name: str) -> None:
    make, read = BYTES[name]
    random = Random(number)
    for _ in range(_ROUND):
        fuzzing.read(f"bytes/{name}", make(random), read)


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--log", type=Path, default=Path("fuzz.log"))
    parser.add_argument("--folder", type=Path, default=Path("fuzz"), help="for inputs with faults")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    faulthandler.enable(sys.stderr)
    fuzzing = Fuzzing(options.folder, options.log)
    number = options.seed
    while time.monotonic() - fuzzing.began < options.seconds:
        for name in STRUCTURE:
            number += 1
            _structure(fuzzing, number, name)
        for name in BYTES:
            # cluster files are what users write: half of the time
            for _ in range(4 if name == "cluster file" else 1):
                number += 1
                _bytes(fuzzing, number, name)
    fuzzing.report()


if __name__ == "__main__":
    main()
