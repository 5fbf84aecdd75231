"""Bounds of checking signatures: value, unit, why."""

SIGNER_COUNT_MAX = 4_096
"""Public keys kept parsed, 100 bytes each: a key costs a recovery to find again."""

WORKER_COUNT_MAX = 64
"""Processes, whatever the machine has: each takes 25 MB."""

BATCH_SIGNATURE_COUNT = 4_000
"""Signatures handed to a worker at once: 80 ms of work. Looked at together, 4,000 cost 20 us each,
1,000 cost 26 and one 50; and 1 MB of memory for as long as they are on their way."""

TOGETHER_COUNT_MIN = 400
"""Signatures from which on they are looked at together: fewer take as long as each by itself."""

TOGETHER_PER_SIGNER_COUNT_MIN = 4
"""Signatures of one signer to be among them: each signer costs as much as one signature does."""

BATCHES_PER_WORKER = 2
"""Handed to one worker and not answered: one that it works on, and what keeps it from waiting."""

POOL_SIGNATURE_COUNT_MIN = 8_000
"""Signatures from which on workers are started: starting one costs as much as checking 4,000."""

REPLY_TIMEOUT_S = 120.0
"""A worker that does not answer for so long is given up, and its signatures are checked here."""
