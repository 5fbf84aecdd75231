"""Logs of our channels that no record tells of: which of them the log must have."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
from msgspec.structs import replace

from node.audit.chain_facts import ChainFact, ChainFactsCheck, KnownFrom
from node.audit.channel_facts import ChannelFacts
from node.audit.checkpoints import SIGNED
from node.audit.facts import Facts
from node.audit.unrecorded import unrecorded
from node.chain.errors import RpcError
from node.chain.reader import ChainReader
from protocols.inputs import ChainLog
from tests.support.builders import fixed_part

CHANNEL, OTHER, TX, OUR_TX = b"\x0c" * 32, b"\x0d" * 32, b"\xa1" * 32, b"\xa2" * 32
LAST_NUM = 2_000


class Reader:
    """An endpoint with these logs that answers for so many blocks at once."""

    def __init__(self, logs: list[ChainLog], block_count_max: int = 10_000) -> None:
        self.logs = logs
        self.block_count_max = block_count_max
        self.asked: list[tuple[int, int]] = []

    async def logs_between(self, first_num: int, last_num: int) -> tuple[ChainLog, ...]:
        if last_num - first_num + 1 > self.block_count_max:
            raise RpcError("eth_getLogs", -32005, "too many")
        self.asked.append((first_num, last_num))
        return tuple(log for log in self.logs if first_num <= log.block_num <= last_num)


def on_chain(block_num: int, name: str = "Deposited", **changes: Any) -> ChainLog:
    values = {"channel_id": CHANNEL, "tx_hash": TX, **changes}
    return ChainLog(
        name,
        block_num=block_num,
        block_hash=bytes(32),
        tx_index=0,
        log_index=0,
        confirmed=False,
        **values,
    )


def fact(block_num: int, *names: str) -> ChainFact:
    return ChainFact(9, names or ("Deposited",), CHANNEL, block_num, TX, None, None)


def found(
    reader: Reader,
    *facts: ChainFact,
    known: KnownFrom | None = None,
    wanted: frozenset[bytes] = frozenset((CHANNEL, OTHER)),
    channel: Any = None,
) -> list[str]:
    """What is said of these logs, where these facts are recorded."""
    gathered = ChainFactsCheck()
    gathered.facts = list(facts)
    gathered.processed = 50, LAST_NUM, bytes(32)
    gathered.known_from = {CHANNEL: known or KnownFrom(10, 20)}
    ground = Facts()
    ground.channels = {CHANNEL: channel}
    ground.tx_hashes = {b"intent": OUR_TX}
    faults = trio.run(unrecorded, cast(ChainReader, reader), gathered, ground, wanted)
    return [fault.message for fault in faults]


@pytest.mark.parametrize(
    ("log", "is_missed"),
    [
        (on_chain(21), True),
        (on_chain(LAST_NUM), True),
        (on_chain(LAST_NUM + 1), False),
        (on_chain(20), False),
        (on_chain(11, tx_hash=OUR_TX), True),
        (on_chain(10, tx_hash=OUR_TX), False),
        (on_chain(30, channel_id=OTHER), False),
        (on_chain(30, "Reclaimed"), False),
        (on_chain(30, "Concluded"), True),
    ],
)
def test_what_the_log_must_have_is_missed(log: ChainLog, is_missed: bool) -> None:
    said = found(Reader([log]))
    assert len(said) == is_missed
    assert all(f"{log.log_name} of channel 0x{CHANNEL.hex()}" in message for message in said)


def test_what_a_checkpoint_shows_is_missed_from_the_same_block_on() -> None:
    channel = ChannelFacts(CHANNEL, fixed_part(), 0)
    log = on_chain(30, SIGNED, turn_num=1, candidate_state_hash=b"\x01" * 32)
    (message,) = found(Reader([log]), channel=channel)
    assert message == (
        f"CheckpointSigned of channel 0x{CHANNEL.hex()}: block 30, transaction 0x{TX.hex()}: "
        "the log lacks the state of turn 1 that it shows, or a signature on it"
    )
    assert found(Reader([replace(log, block_num=20)]), channel=channel) == []
    channel.signers[b"\x01" * 32] = set(channel.participants)
    assert found(Reader([log]), channel=channel) == []


def test_what_is_recorded_is_not_missed() -> None:
    logs = [on_chain(30), on_chain(31, "Checkpointed")]
    facts = [fact(30), fact(31, "ChallengeCleared", "Checkpointed")]
    assert found(Reader(logs), *facts) == []
    assert len(found(Reader(logs), facts[0])) == 1
    assert len(found(Reader(logs), facts[1])) == 1


def test_two_logs_of_one_transaction_are_two_records() -> None:
    assert len(found(Reader([on_chain(30), on_chain(30)]), fact(30))) == 1
    assert found(Reader([on_chain(30), on_chain(30)]), fact(30), fact(30)) == []


def test_a_channel_behind_which_no_block_was_processed_misses_nothing_of_others() -> None:
    known = KnownFrom(10)
    assert found(Reader([on_chain(30)]), known=known) == []
    assert len(found(Reader([on_chain(30, tx_hash=OUR_TX)]), known=known)) == 1


def test_one_channel_may_be_asked_for_alone() -> None:
    reader = Reader([on_chain(30)])
    assert found(reader, wanted=frozenset((OTHER,))) == []
    assert reader.asked == []


def test_every_block_is_asked_for_once_however_few_an_endpoint_can_do() -> None:
    for count_max in (10_000, 300, 7):
        reader = Reader([on_chain(30), on_chain(1_999)], count_max)
        assert len(found(reader)) == 2
        asked = [number for first, last in reader.asked for number in range(first, last + 1)]
        assert asked == list(range(11, LAST_NUM + 1))


def test_an_endpoint_that_can_do_none_is_an_error() -> None:
    with pytest.raises(RpcError):
        found(Reader([], 0))
