"""What the reducer of an app channel is told: the one place of the tools that knows.

    [channel id (32 bytes), nil, 0, [deposit of the first, deposit of the last]]     before all
    [channel id (32 bytes), sender, timestamp_ms, payload]                           with a message

The sender is 0 for the first participant and 1 for the last; deposits are amounts of 32 bytes; the
payload is a value, not bytes that hold one. `APP_REDUCER` of app.h reads both. A reducer may refuse
the first: then nobody plays.
"""

from __future__ import annotations

from typing import Any

from node.views.encoding import encode, uint256

PAYOUTS = "payouts"
"""The reserved table (M23): participant (0 or 1) and amount (32 bytes), a row each."""


def opening(channel_id: bytes, deposits: tuple[int, int]) -> bytes:
    """What the reducer gets before the first message."""
    return encode([channel_id, None, 0, [*map(uint256, deposits)]])


def envelope(channel_id: bytes, sender: int, timestamp_ms: int, payload: Any) -> bytes:
    """What the reducer gets for a message."""
    return encode([channel_id, sender, timestamp_ms, payload])
