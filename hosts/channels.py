"""The channels of one connection: never more at once than sshd allows; a caller waits for a free one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko

from cluster.vocabulary.errors import HostError, HostUnreachable

AT_ONCE = 8  # sshd's MaxSessions is 10 by default
_OPEN_SECONDS = 30.0
_PATIENCE, _PAUSE_SECONDS = 10, 0.1


def close_channel(channel: paramiko.Channel) -> None:
    """Close a channel. paramiko raises when the connection was lost, but the channel is closed in that case too."""
    with suppress(EOFError, OSError, paramiko.SSHException):
        channel.close()


class ChannelSlots:
    """Hands out session channels to any number of threads."""

    def __init__(self, host: str, transport: paramiko.Transport) -> None:
        self._host, self._transport = host, transport
        self._changed = threading.Condition()
        self._limit = AT_ONCE
        self._taken = 0

    @contextmanager
    def channel(self) -> Iterator[paramiko.Channel]:
        """A channel that is open inside the `with` block."""
        channel = self.take()
        try:
            yield channel
        finally:
            self.give_back(channel)

    def take(self) -> paramiko.Channel:
        """Open a channel as soon as one is free; HostUnreachable when the connection is lost."""
        refusals = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._taken < self._limit)
                self._taken += 1
            asked = time.monotonic()
            try:
                return self._transport.open_session(timeout=_OPEN_SECONDS)
            except (paramiko.SSHException, EOFError, OSError) as error:
                refused = self._is_refusal(error, time.monotonic() - asked)
                alone = self._leave(lower=refused) == 0
                if not refused:
                    raise HostUnreachable(self._host, f"the connection is lost, or the host too busy to answer ({_text(error)})") from None
                refusals += alone
                if refusals > _PATIENCE:
                    raise HostError(
                        self._host, f"sshd opens no session ({_text(error)})", "Set MaxSessions in its sshd_config to 4 or more."
                    ) from None
            # sshd may still be ending a session that was closed here
            time.sleep(_PAUSE_SECONDS)

    def give_back(self, channel: paramiko.Channel) -> None:
        """Close a channel, which frees its slot."""
        close_channel(channel)
        self._leave()

    def _is_refusal(self, error: Exception, seconds: float) -> bool:
        # paramiko has no exception type for an open that timed out
        if not isinstance(error, paramiko.SSHException) or seconds >= _OPEN_SECONDS:
            return False
        # when sshd refuses two threads at once, paramiko raises ChannelException in one of them only
        return isinstance(error, paramiko.ChannelException) or self._transport.is_active()

    def _leave(self, *, lower: bool = False) -> int:
        """Free a slot and return the number of taken ones. `lower`: sshd refused, so the current number becomes the limit."""
        with self._changed:
            self._taken -= 1
            if lower:
                self._limit = max(1, min(self._limit, self._taken))
            self._changed.notify_all()
            return self._taken


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
