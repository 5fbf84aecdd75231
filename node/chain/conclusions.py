"""A conclusion is two logs of one call, and one fact: that the channel ended, and with what.

The adjudicator emits `OutcomeConcluded` right behind `Concluded` (ADR 0072). One without the other
leads to nothing new: an older contract tells no amounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from protocols.inputs import ChainLog

CONCLUDED, TELLS_AMOUNTS = "Concluded", "OutcomeConcluded"


def joined(logs: Iterable[ChainLog]) -> Iterator[ChainLog]:
    """The same logs, in the chain's order: each conclusion with the amounts that follow it."""
    kept: ChainLog | None = None
    for log in logs:
        if log.log_name == TELLS_AMOUNTS:
            if kept is not None and _follows(kept, log):
                kept = replace(kept, amounts=log.amounts)
            continue
        if kept is not None:
            yield kept
        kept = log
    if kept is not None:
        yield kept


def _follows(log: ChainLog, amounts: ChainLog) -> bool:
    return (log.log_name, log.channel_id, log.block_hash, log.tx_hash, log.log_index + 1) == (
        CONCLUDED,
        amounts.channel_id,
        amounts.block_hash,
        amounts.tx_hash,
        amounts.log_index,
    )
