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

CYCLE_INTERVAL_S = 0.25
"""Between two looks at a log that grows: each costs 10 to 50 ms of a core."""

REPORT_INTERVAL_S = 0.5
"""Between two words on how far a view is, while it catches up."""

NICENESS = 10
"""Of the process that keeps the views: payments go first where cores are few."""

RESTART_DELAY_S_MIN = 1.0
RESTART_DELAY_S_MAX = 60.0
"""Before the process is started again; doubled each time."""

STALL_TIMEOUT_S = 120.0
"""Without a word from the process, while records wait for it, until it is ended. A message takes
10 ms."""

STOP_TIMEOUT_S = 5.0
"""For the process to end by itself, once it is not wanted any more."""

DETAIL_SIZE_MAX = 500
"""Characters that are kept of its last words."""

KEEPER_PATIENCE_S = 3.0
"""How long a question waits for the process that keeps the views to take in what came before
it. Half a second is usual; one that is far behind is not waited for."""

KEEPER_PAUSE_S = 0.05
"""Between two looks at how far it is."""

QUERY_NICENESS = 19
"""Of a question's process and its session, once it takes long: whoever serves peers goes first."""

QUERY_STEP_GRAIN = 5_000
"""Instructions of SQLite between two looks at the clock: some 50 us."""

QUERY_VALUE_SIZE_BYTES_MAX = 16 * 1024 * 1024
"""Of a value in a question, and of its text."""

QUERY_HEAP_SIZE_BYTES_MAX = 256 * 1024 * 1024
"""Of SQLite's memory in a process that answers questions."""

QUERY_ROW_COUNT_MAX = 100_000
"""Rows that one answer has at most."""
