"""What the records say of the chain, gathered to be compared with it."""

import pytest

from node.audit.chain_facts import LOG_NAMES, ChainFactsCheck, KnownFrom
from protocols import events, virtual_events
from tests.support.audit_cases import alice, entries, nth


def gathered() -> ChainFactsCheck:
    check = ChainFactsCheck()
    assert list(check.take(entries(alice()))) == []
    return check


def test_confirmed_logs_are_gathered_and_what_was_only_seen_is_not() -> None:
    facts = gathered().facts
    kinds = tuple(LOG_NAMES)
    assert [fact.seq for fact in facts] == [
        seq for seq, event in enumerate(alice()) if isinstance(event, kinds)
    ]
    seq, deposit = nth(alice(), events.DepositDetected)
    (fact,) = [fact for fact in facts if fact.seq == seq]
    assert (fact.log_names, fact.tx_hash) == (("Deposited",), deposit.tx_hash)
    assert fact.held == int.from_bytes(deposit.now_held, "big")
    assert {name for fact in facts for name in fact.log_names} > {"Deposited", "Concluded"}


def test_more_than_can_be_compared_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    count = len(gathered().facts)
    monkeypatch.setattr("node.audit.chain_facts.CHAIN_FACT_COUNT_MAX", 1)
    assert (len(gathered().facts), gathered().dropped_count) == (1, count - 1)


CHANNEL, OTHER = b"\x0c" * 32, b"\x0d" * 32


def created(channel_id: bytes) -> events.ChannelCreated:
    return events.ChannelCreated(channel_id, (b"\x01" * 20, b"\x02" * 20), 1, b"\x03" * 20, 60)


def processed(number: int) -> events.ChainBlockProcessed:
    return events.ChainBlockProcessed(number, bytes(32))


def known_from(*recorded: events.Event) -> dict[bytes, KnownFrom]:
    check = ChainFactsCheck()
    assert list(check.take(entries(list(recorded)))) == []
    return check.known_from


def test_a_channel_is_known_from_the_blocks_around_its_record_on() -> None:
    assert known_from(created(CHANNEL)) == {CHANNEL: KnownFrom(-1, None)}
    assert known_from(
        processed(5), created(CHANNEL), processed(8), created(OTHER), processed(9), created(CHANNEL)
    ) == {CHANNEL: KnownFrom(5, 8), OTHER: KnownFrom(8, 9)}


def test_what_was_read_from_the_chain_stands_for_the_logs_before() -> None:
    read = events.HoldingsRead(CHANNEL, bytes(20), bytes(32), 7, bytes(32), 0)
    assert known_from(created(CHANNEL), read, processed(8)) == {CHANNEL: KnownFrom(7, 7)}


def test_a_channel_that_is_pruned_has_no_logs_to_record() -> None:
    pruned = virtual_events.VirtualChannelPruned(CHANNEL)
    assert known_from(created(CHANNEL), pruned) == {}


def test_where_a_record_names_no_transaction_nothing_can_be_missed() -> None:
    deposit = events.DepositDetected(CHANNEL, 6, 0, bytes(20), bytes(32), bytes(32))
    assert known_from(created(CHANNEL), deposit) == {}
