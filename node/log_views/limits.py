"""Bounds of the node's own views: value, unit, why."""

from node.views.limits import MEMORY_BYTES_MAX, Budget

BATCH_RECORD_COUNT_MAX = 1_000
"""Records in one message: 1 MB of rows, some 10 ms. More gained nothing."""

BATCH_SIZE_BYTES_MAX = 512 * 1024
"""Of the records in one message, unless one alone is larger."""

RECORD_SIZE_BYTES_MAX = 4 * 1024 * 1024
"""Of a message: a record holds at most one state of 128 KiB, or a kit's signatures."""

NODE_BUDGET = Budget(
    fuel=4_000_000_000,
    memory_bytes=MEMORY_BYTES_MAX,
    message_bytes=RECORD_SIZE_BYTES_MAX,
    reply_bytes=8 * 1024 * 1024,
    sql_steps=20_000_000,
    row_bytes=2 * 1024 * 1024,
    change_count=200_000,
)
"""For a thousand records at once. A voucher takes 20,000 of fuel; a ledger that is closed with 400
guarantees has a row of 200 KB."""

QUERY_TIMEOUT_S = 10.0
"""A question's time, unless its asker gives another."""

QUERY_STEP_GRAIN = 5_000
"""Instructions of SQLite between two looks at the clock: some 50 us."""

QUERY_VALUE_SIZE_BYTES_MAX = 16 * 1024 * 1024
"""Of a value in a question, and of its text."""

QUERY_HEAP_SIZE_BYTES_MAX = 256 * 1024 * 1024
"""Of SQLite's memory in a process that answers questions."""

QUERY_ROW_COUNT_MAX = 100_000
"""Rows that one answer has at most."""
