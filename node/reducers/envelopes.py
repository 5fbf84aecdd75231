"""What the reducer of an app channel is told, as the tools know it (ADR 0087).

    [channel id (32 bytes), nil, 0, [deposit of the first, deposit of the last]]     before all
    [channel id (32 bytes), sender, timestamp_ms, payload]                           with a message

`APP_REDUCER` of app.h reads both. A reducer may refuse the first: then nobody plays.
"""

from __future__ import annotations

from typing import Any

from node.views.encoding import encode
from protocols.app_data import reducer_input, reducer_opening


def opening(channel_id: bytes, deposits: tuple[int, int]) -> bytes:
    """What the reducer gets before the first message."""
    return reducer_opening(channel_id, deposits)


def envelope(channel_id: bytes, sender: int, timestamp_ms: int, payload: Any) -> bytes:
    """What the reducer gets for a message with this value as its payload."""
    return reducer_input(channel_id, sender, timestamp_ms, encode(payload))
