"""Sums: a hub wins its fee or nothing, and no ledger loses or makes money."""

from collections.abc import Callable

import pytest

from node.audit.facts import Facts
from node.audit.hub import HubCheck
from protocols import events, ledger_events
from protocols.types import amount_to_bytes
from tests.support.audit_cases import History, changed, entries, messages, nth, says, without
from tests.support.audit_webs import (
    FEE,
    closing_leader,
    hub,
    leader,
    open_hub,
    payee,
    payer,
    target_of,
    unwound_hub,
)

PROPOSED, RECEIVED = ledger_events.LedgerUpdateProposed, ledger_events.LedgerUpdateReceived
SIGNED, CONFIRMED = ledger_events.LedgerUpdateSigned, ledger_events.LedgerUpdateConfirmed

HONEST = (leader, closing_leader, payer, hub, payee, open_hub, unwound_hub)


@pytest.mark.parametrize("history", HONEST, ids=lambda history: history.__name__)
def test_an_honest_history_adds_up(history: Callable[[], History]) -> None:
    assert messages(HubCheck, history()) == []


def one(history: History, words: str, kind: type[events.Event], index: int = 0) -> None:
    says(HubCheck, history, words, nth(history, kind, index)[0])


def test_a_hub_never_loses() -> None:
    # The payer gets 975 on the right, but all of it on the left.
    theirs = changed(hub(), RECEIVED, -1, left_amount=amount_to_bytes(1_000))
    name = f"channel 0x{target_of(hub()).hex()}"
    one(theirs, f"as an intermediary of {name} we lost 18", SIGNED, -1)


def test_a_hub_earns_its_fee_where_a_channel_opened() -> None:
    for fee in (FEE - 1, FEE + 1):
        other = changed(hub(), RECEIVED, fee=amount_to_bytes(fee))
        one(other, f"opened and brought us {fee}, our fee is {FEE}", SIGNED, -1)


def test_a_hub_earns_nothing_where_a_channel_was_unwound() -> None:
    kept = changed(unwound_hub(), RECEIVED, -1, fee=amount_to_bytes(0))
    one(kept, f"was unwound and brought us {FEE}", SIGNED, -1)


def test_an_agreement_of_no_ledger_is_another_familys() -> None:
    stray = ledger_events.LedgerUpdateSigned(b"\x01" * 32, 2, bytes(32), bytes(65))
    assert messages(HubCheck, [*hub(), stray]) == []
    unknown = changed(open_hub(), RECEIVED, target=b"\x11" * 32)
    assert messages(HubCheck, unknown) == []


def test_all_ledgers_together_hold_what_was_put_in() -> None:
    facts = Facts()
    for entry in entries(without(hub(), PROPOSED, -1)):
        facts.apply(entry.event)
    check = HubCheck(facts)
    assert list(check.finish()) == []
    ledger = next(channel.ledger for channel in facts.channels.values() if channel.ledger)
    ledger.agreed.balances[ledger.follower] += 1
    (message,) = check.finish()
    assert message.message.endswith("began with 40000, now they hold 40001")
