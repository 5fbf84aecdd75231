"""Bounds of sinks: value, unit, why."""

BATCH_CHANGE_COUNT = 10_000
"""Row changes after which a transaction takes in no further message. From 5,000 on PostgreSQL is no
faster. A message is never split: it has as many by default, and in a node's own views 200,000."""

BATCH_MESSAGE_COUNT = 10_000
"""Messages of one transaction: those that changed nothing have to end too."""

BATCH_SIZE_BYTES = 16 * 1024 * 1024
"""Encoded changes after which a transaction takes in no further message: rows may have 4 KiB."""

COPY_CHUNK_COUNT = 5_000
"""Rows that PostgreSQL cannot hold, and terms of a sum, that are held in memory at once."""

KEY_SIZE_BYTES_MAX = 2_500
"""Of the values of one index of a row, and eight bytes for each: PostgreSQL's trees refuse entries
of over 2,704 bytes. A row beyond that lies in `tally_unheld`."""

SERVER_VERSION_MIN = 130_000
"""PostgreSQL 13, as the server writes it. The suite runs 16 and 18."""

CONNECT_TIMEOUT_S = 10
"""Until a server that does not answer counts as away."""

KEEPALIVE_S = 10
"""Silence after which the connection is tried; after four times that it is lost."""

LOCK_TIMEOUT_MS = 10_000
"""How long one of our statements waits for somebody who locked a table of ours."""

LOCK_WAIT_MS = 1_000
"""How long a sink waits for another one's end: servers notice an end after a moment."""

IDLE_IN_TRANSACTION_MS = 600_000
"""After which the server ends a transaction whose sink fell silent. A copy says nothing while it
looks through a table for rows that PostgreSQL cannot hold: two minutes for a hundred million. A
connection that was cut is noticed far sooner."""

ONCE_PATIENCE_S = 5.0
"""How long a sink that syncs once goes on trying what may be over in a moment."""

POLL_S = 0.05
"""Between two looks at a view that had nothing new; a look takes some 100 us."""

PING_S = 2.0
"""Between two questions whether an idle connection still stands: a server that went away, and may
have come back as it was before, has to be noticed without a message."""

RETRY_S_MIN = 0.25
RETRY_S_MAX = 30.0
"""Between two attempts after a failure: doubled each time."""

CANCEL_S = 1.0
"""How long it may take to tell a server that a statement is not wanted any more."""

STOP_S = 1.5
"""How long a stop waits for the transaction at hand before it is cancelled."""

DETAIL_SIZE_MAX = 500
"""Characters of a server's words about a failure."""
