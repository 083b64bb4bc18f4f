"""Both directions of one channel at once, with a deadline and a limit for what is kept in memory.

When one stream is read to its end before the other, the remote side stops as soon as the other stream's window is full (paramiko#1778).
The same happens when data is sent without reading. paramiko's own calls that wait for an exit code have no time limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import paramiko

from cluster.vocabulary.errors import HostError

# bytes that a command may print on each stream: the longest facts (nftables of a large cluster) need some megabytes
MOST_OUTPUT = 16_000_000

# a process in the background may keep the streams open after the script has ended
_LINGER_SECONDS = 2.0
_READ = 1 << 20
_READS_AT_ONCE = 16  # more than the window of a channel: after the end of both streams, nothing is left
_PACKET = 32768
_STALL_SECONDS = 0.2  # how long one attempt to send may block before the other direction is read
_DRAIN_EVERY = 16  # packets


class _Signal:
    """The event that paramiko's buffers set when data arrives. Each buffer also clears it when empty, which is a job for the reader of both."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.set = self._event.set
        self.wait = self._event.wait
        self.reset = self._event.clear

    def clear(self) -> None:
        """No effect: the other buffer may still hold data."""


class Exchange:
    """The data of one channel; standard output starts after the line `mark`.

    HostError when the host prints more than `most` bytes on one stream. With `only_last`, standard output may be longer, and the last
    `most` bytes are kept. With `to_end`, the end of the streams counts and not that of the script: sshd may report the exit code while output
    waits for a slow reader.
    """

    def __init__(
        self,
        host: str,
        channel: paramiko.Channel,
        mark: str,
        deadline: float,
        on_output: Callable[[bytes], None] | None = None,
        *,
        most: int = MOST_OUTPUT,
        only_last: bool = False,
        to_end: bool = False,
    ) -> None:
        self._host = host
        self._most, self._only_last, self._to_end = most, only_last, to_end
        self._begin = time.monotonic()
        self._channel = channel
        self._mark = mark.encode() + b"\n"
        self._deadline = deadline  # of time.monotonic()
        self._on_output = on_output
        self._before = bytearray()  # the end of what the login shell printed
        self._before_size = 0
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.begun = False  # whether the mark was seen
        self._exited: float | None = None
        self._signal = _Signal()
        for buffer in (channel.in_buffer, channel.in_stderr_buffer):
            buffer.set_event(self._signal)  # type: ignore[arg-type]

    def send(self, data: Iterable[bytes]) -> None:
        """Send every piece and read in between; ends early when the remote side stops reading. TimeoutError at the deadline."""
        channel = self._channel
        channel.settimeout(_STALL_SECONDS)
        for number, piece in enumerate(data):
            # cutting a view copies nothing; a piece of one packet's size goes as it is
            rest: bytes | memoryview = piece if len(piece) <= _PACKET else memoryview(piece)
            while rest:
                try:
                    sent = channel.send(rest)  # type: ignore[arg-type]
                except TimeoutError:
                    sent = -1
                except OSError:
                    return  # closed by the remote side: the exit code gives the reason
                if sent == 0:
                    return
                if sent > 0:
                    rest = rest[sent:]
                if sent < 0 or number % _DRAIN_EVERY == 0:
                    self._drain()
                    self.check_deadline()
                    if channel.exit_status_ready():
                        return

    def end(self) -> None:
        """Close the sending direction, and read until the remote side ends; TimeoutError at the deadline."""
        self._channel.shutdown_write()
        self.wait(lambda: False)

    def wait(self, until: Callable[[], bool]) -> bool:
        """Read until a condition holds (True) or the remote side ends without it (False); TimeoutError at the deadline."""
        while True:
            self._signal.reset()
            drained = self._drain()
            if until():
                return True
            if self._ended():
                self._drain()
                return until()
            self.check_deadline()
            if not drained:
                continue
            # the exit code alone sets no event: a stream that stays open after it is read again after a moment
            self._signal.wait(
                min(_STALL_SECONDS, self._deadline - time.monotonic()) if self._channel.exit_status_ready() else self._pause()
            )

    @property
    def exit_code(self) -> int:
        """-1 when it is unknown: after a signal or a lost connection."""
        return self._channel.recv_exit_status() if self._channel.exit_status_ready() else -1

    def _pause(self) -> float:
        return max(0.0, min(1.0, self._deadline - time.monotonic()))

    def _ended(self) -> bool:
        channel = self._channel
        if channel.closed:
            return True
        if not channel.exit_status_ready():
            return False
        if channel.eof_received or self._to_end:
            return bool(channel.eof_received)
        self._exited = self._exited or time.monotonic()
        return time.monotonic() - self._exited > _LINGER_SECONDS

    def check_deadline(self) -> None:
        """TimeoutError at the deadline."""
        if time.monotonic() >= self._deadline:
            raise TimeoutError

    def _drain(self) -> bool:
        """Read what has arrived; False when there is more, because a host that never stops must not keep the deadline from its check."""
        channel = self._channel
        for _ in range(_READS_AT_ONCE):
            readable, readable_errors = channel.recv_ready(), channel.recv_stderr_ready()
            if not readable and not readable_errors:
                return True
            if readable:
                self._take(channel.recv(_READ))
            if readable_errors:
                self.stderr += channel.recv_stderr(_READ)
                self._check_size(len(self.stderr), "standard error")
        return False

    def _take(self, data: bytes) -> None:
        if not self.begun:
            self._before += data
            self._before_size += len(data)
            place = self._before.find(self._mark)
            if place < 0:
                self._check_size(self._before_size, "standard output, before the script began")
                del self._before[: -len(self._mark)]
                return
            self.begun = True
            data = bytes(self._before[place + len(self._mark) :])
            self._before.clear()
        if not data:
            return
        self.stdout += data
        if self._only_last:
            del self.stdout[: -self._most]
        else:
            self._check_size(len(self.stdout), "standard output")
        if self._on_output is not None:
            self._on_output(data)

    def _check_size(self, size: int, stream: str) -> None:
        if size > self._most:
            seconds = time.monotonic() - self._begin
            raise HostError(
                self._host,
                f"a script printed {size:,} bytes on {stream} within {seconds:.1f} s, and sixstack reads {self._most:,} at most",
                "Look for a program on the host that prints without end: one in the start files of the login shell, or a replaced command.",
            )
