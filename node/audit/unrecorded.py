"""What happened to our channels on the chain and no record tells of, or tells otherwise.

Only what the log must have is asked for: logs up to the last block that it says was processed,
about channels that it knew by then. Whoever proposes a channel knows its id before we do and may
deposit early, so a stranger's log counts from the first block that was processed behind the
channel's record, our own transactions' from the last block before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from itertools import chain

from node.audit.chain_facts import LOG_NAMES, ChainFact, ChainFactsCheck
from node.audit.checkpoints import SHOWING, deviation
from node.audit.checks import Fault
from node.audit.facts import Facts
from node.audit.limits import CHAIN_STRETCH_BLOCK_COUNT
from node.chain.errors import RpcError
from node.chain.reader import ChainReader
from protocols.inputs import ChainLog
from protocols.types import to_hex

_KIND = {log_name: names for names in LOG_NAMES.values() for log_name in names}
"""By the adjudicator's log: all that one event may record."""

_Place = tuple[tuple[str, ...], bytes, int, bytes]
"""Kind, channel, block, transaction."""


async def unrecorded(
    reader: ChainReader, gathered: ChainFactsCheck, facts: Facts, wanted: Collection[bytes]
) -> list[Fault]:
    """A fault for each log of the wanted channels that is on the chain and in no record.

    Raises what `ChainReader` does.
    """
    assert gathered.processed is not None, "asked for nothing else"
    known = {
        channel_id: at
        for channel_id, at in gathered.known_from.items()
        if channel_id in wanted and channel_id in facts.channels
    }
    if not known:
        return []
    ours = {*facts.tx_hashes.values(), *chain.from_iterable(facts.replaced_hashes.values())}
    recorded = Counter(map(_place_of_fact, gathered.facts))
    faults = []
    first_num = min(at.before for at in known.values()) + 1
    async for log in _logs(reader, first_num, gathered.processed[1]):
        at = known.get(log.channel_id)
        if at is None or not (log.log_name in _KIND or log.log_name in SHOWING):
            continue
        begun = at.before if log.tx_hash in ours else at.behind
        if begun is None or log.block_num <= begun:
            continue
        if log.log_name in SHOWING:
            # No record of its own tells of it: what it shows is recorded, if it was new.
            if what := deviation(facts.channels[log.channel_id], log):
                faults.append(Fault(f"{_words(log)}: {what}"))
            continue
        place = (_KIND[log.log_name], log.channel_id, log.block_num, log.tx_hash)
        recorded[place] -= 1
        if recorded[place] < 0:
            faults.append(Fault(f"no record tells of {_words(log)}"))
    return faults


def _place_of_fact(fact: ChainFact) -> _Place:
    return fact.log_names, fact.channel_id, fact.block_num, fact.tx_hash


def _words(log: ChainLog) -> str:
    return (
        f"{log.log_name} of channel {to_hex(log.channel_id)}: block {log.block_num}, "
        f"transaction {to_hex(log.tx_hash)}"
    )


async def _logs(reader: ChainReader, first_num: int, last_num: int) -> AsyncIterator[ChainLog]:
    """The adjudicator's logs, as many blocks at a time as the endpoint can do."""
    count, start = CHAIN_STRETCH_BLOCK_COUNT, first_num
    while start <= last_num:
        end = min(last_num, start + count - 1)
        try:
            logs: Iterable[ChainLog] = await reader.logs_between(start, end)
        except RpcError:
            if count == 1:
                raise
            count //= 2
            continue
        for log in logs:
            yield log
        start = end + 1
