"""Bounds of the tools for reducers: value, unit, why."""

MESSAGE_FILE_SIZE_BYTES_MAX = 16 * 1024 * 1024
"""Of a file of messages: read whole."""

COMPILE_TIMEOUT_S = 120.0
"""Of one call of the compiler. The first one ever prepares a cache, which took three seconds."""

REPLAY_COUNT_MAX = 10_000
"""Of fresh processes in one check: a quarter of a second each."""

REPLAY_COUNT = 100
"""Of fresh processes in a check unless told otherwise."""

REPLAY_TIMEOUT_S = 600.0
"""Of one replay. The tables of a million messages take two minutes."""

REPLAYS_AT_ONCE = 2
"""Processes side by side: reducers are written on laptops."""

PROFILE_RUN_COUNT = 5
"""Of all messages in a profile unless told otherwise: the least time of five is steady."""

PROFILE_RUN_COUNT_MAX = 1_000
"""Of runs in one profile."""

APP_MESSAGE_INTERVAL_MS = 1_000
"""Between two messages of a file for an application, unless a line says otherwise."""

APP_BEGIN_MS = 1_700_000_000_000
"""When the messages of such a file begin, unless it says otherwise: some day in 2023."""
