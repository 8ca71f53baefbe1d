"""What one client has sent: how much of it may come, and what waits to be handled."""

from __future__ import annotations

import time
from collections import deque

from webapp.realtime.frames import Message

MESSAGES_PER_SECOND = 100.0
MESSAGE_BURST = 300
"""What one client may send; a client that joins its hundred rooms at once stays far below."""

MAX_INBOX_BYTES = 262_144
"""What of it may wait while a message before it is handled, as for a look into the database."""


class Inbox:
    """The messages of one WebSocket in their order; counts those of long polling too."""

    __slots__ = ("_bytes", "_counted_at", "_messages", "_tokens")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._tokens = float(MESSAGE_BURST)
        self._counted_at = time.monotonic()

    def count(self) -> bool:
        """Count something that the client has sent, and say whether it may send that much."""
        now = time.monotonic()
        earned = (now - self._counted_at) * MESSAGES_PER_SECOND
        self._tokens = min(self._tokens + earned, MESSAGE_BURST) - 1
        self._counted_at = now
        return self._tokens >= 0

    def put(self, message: Message) -> bool:
        """Have ``message`` wait; say whether there was room."""
        if self._bytes + len(message[1]) > MAX_INBOX_BYTES:
            return False
        self._messages.append(message)
        self._bytes += len(message[1])
        return True

    def take(self) -> Message | None:
        """Return the next message, if there is one."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._bytes -= len(message[1])
        return message

    def clear(self) -> None:
        """Forget what waits."""
        self._messages.clear()
        self._bytes = 0
