"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_SECONDS_BETWEEN = 0.2


def own_cpu(pid: int) -> float:
    """CPU seconds of all threads of a process."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICK


def ended_children_cpu(pid: int) -> float:
    """CPU seconds of the children that a process has waited for, with their children."""
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) / _TICK


def machine_busy() -> float:
    """Busy CPU seconds of the whole machine since its boot."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / _TICK


def descendants(pid: int) -> list[int]:
    """The ids of all descendants of a process."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found = list(children.get(pid, []))
    for known in found:
        found += children.get(known, [])
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may contain any characters: state is 0, parent 1, utime 11."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


@dataclass
class Watch:
    """Samples the descendants of a process: the peak memory of each one, and their CPU time."""

    pid: int
    peaks: dict[int, int] = field(default_factory=dict)  # process id -> bytes
    samples: list[tuple[float, float]] = field(default_factory=list)  # time since 1970, CPU seconds used so far
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def peak_memory(self) -> int:
        """Bytes of the process that grew largest."""
        return max(self.peaks.values(), default=0)

    def cpu_until(self, at: float) -> float:
        """CPU seconds used until about this time."""
        return max((used for moment, used in self.samples if moment <= at), default=0.0)

    def _watch(self) -> None:
        used: dict[int, float] = {}  # with ended processes
        while not self._stop.wait(_SECONDS_BETWEEN):
            for pid in descendants(self.pid):
                with contextlib.suppress(OSError, StopIteration, IndexError):
                    # the kernel stores the peak, so a rare sample misses only growth in the last moments
                    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
                    self.peaks[pid] = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
                    used[pid] = own_cpu(pid)
            self.samples.append((time.time(), sum(used.values())))
