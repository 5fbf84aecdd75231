"""What the records say of the chain, gathered to be compared with it."""

import pytest

from node.audit.chain_facts import LOG_NAMES, ChainFactsCheck
from protocols import events
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
