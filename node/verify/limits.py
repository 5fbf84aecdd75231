"""Bounds of checking signatures: value, unit, why."""

SIGNER_COUNT_MAX = 4_096
"""Public keys kept parsed, 100 bytes each: a key costs a recovery to find again."""

WORKER_COUNT_MAX = 64
"""Processes, whatever the machine has: each takes 25 MB."""

BATCH_SIGNATURE_COUNT = 500
"""Signatures handed to a worker at once: twenty milliseconds of work, and little to wait for at
the end."""

BATCHES_PER_WORKER = 3
"""Handed to one worker and not answered: one that it works on, and what keeps it from waiting."""

POOL_SIGNATURE_COUNT_MIN = 4_000
"""Signatures from which on workers are started: starting one costs as much as checking 2,000."""

REPLY_TIMEOUT_S = 120.0
"""A worker that does not answer for so long is given up, and its signatures are checked here."""
