"""Bounds of a what-if: it runs beside payments, and its answer is one message."""

ASSUMPTION_COUNT_MAX = 32
"""Assumptions of one call."""

DURATION_S_MAX = 30 * 86_400
"""Seconds that one assumption may let pass: thirty days."""

TICK_COUNT_MAX = 240
"""Looks at the clock while time passes: two hours are looked at every thirty seconds."""

ROUND_COUNT_MAX = 64
"""Rounds of answers after one input. No conversation here takes half as many."""

WATCHED_COUNT_MAX = 64
"""Channels under way, besides those concerned, in which others answer."""

EVENT_COUNT_MAX = 4_000
"""Events of one simulation; what leads to more is refused."""

LINKED_CHANNEL_COUNT_MAX = 2_000
"""Channels that are looked at for what leaving is worth: those concerned, and what is linked to
them by guarantees."""

TIME_S_MAX = 20.0
"""Seconds of a simulation; one that takes longer, on a node with much under way, is refused."""

BLOCK_TIME_S = 12
"""Seconds between two assumed blocks, where a deadline is told in blocks: Ethereum's."""
