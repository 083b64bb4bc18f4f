"""Channels of one connection: no more at once than sshd allows, waiting rather than failing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from cluster.errors import HostError, HostUnreachable

AT_ONCE = 8  # sshd's MaxSessions is 10 by default
_OPEN_SECONDS = 30.0


class ChannelSlots:
    """Hands out session channels to any number of threads."""

    def __init__(self, host: str, transport: paramiko.Transport) -> None:
        self._host, self._transport = host, transport
        self._changed = threading.Condition()
        self._limit = AT_ONCE
        self._taken = 0

    @contextmanager
    def channel(self) -> Iterator[paramiko.Channel]:
        """A channel for the length of a block."""
        channel = self.take()
        try:
            yield channel
        finally:
            self.give_back(channel)

    def take(self) -> paramiko.Channel:
        """A new channel, once there is room for it; HostUnreachable when the connection is gone."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._taken < self._limit)
                self._taken += 1
            try:
                return self._transport.open_session(timeout=_OPEN_SECONDS)
            except paramiko.ChannelException as error:
                self._refused(error)
            except (paramiko.SSHException, EOFError, OSError) as error:
                self._leave()
                raise HostUnreachable(self._host, f"the connection is lost ({str(error) or type(error).__name__})") from None

    def give_back(self, channel: paramiko.Channel) -> None:
        """Close a channel and let the next one in."""
        channel.close()
        self._leave()

    def _refused(self, error: paramiko.ChannelException) -> None:
        """sshd's MaxSessions is lower than we took it for: keep to what it gave, unless that is nothing."""
        with self._changed:
            self._taken -= 1
            given = self._taken
            self._limit = max(1, min(self._limit, given))
            self._changed.notify_all()
        if given == 0:
            raise HostError(self._host, f"sshd opens no session ({error.text})", "Set MaxSessions in its sshd_config to 4 or more.") from None

    def _leave(self) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()
