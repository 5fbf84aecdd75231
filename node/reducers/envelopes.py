"""What the reducer of an app channel is told with each message: the one place that knows.

    [channel id (32 bytes), sender, timestamp_ms, payload]

The sender is 0 for the first participant and 1 for the last; the payload is a value, not bytes that
hold one. `app_message` of app.h reads it.
"""

from __future__ import annotations

from typing import Any

from node.views.encoding import encode

PAYOUTS = "payouts"
"""The reserved table (M23): participant (0 or 1) and amount (32 bytes), a row each."""


def envelope(channel_id: bytes, sender: int, timestamp_ms: int, payload: Any) -> bytes:
    """The message that the reducer gets."""
    return encode([channel_id, sender, timestamp_ms, payload])
