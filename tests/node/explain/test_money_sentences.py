"""Sentences for payments and ledgers."""

from msgspec.structs import replace

from node.explain.money_sentences import MONEY_SENTENCES
from node.explain.story import Cast
from protocols import events, ledger_events
from protocols.outcome import destination_of
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.event_samples import sample

CHANNEL = b"\x01" * 32
CAST = Cast(ALICE.address, CHANNEL, "ledger", (ALICE.address, BOB.address))


def update(kind: str, ledger: bytes = CHANNEL) -> ledger_events.LedgerUpdateProposed:
    event = sample(ledger_events.LedgerUpdateProposed)
    assert isinstance(event, ledger_events.LedgerUpdateProposed)
    return replace(
        event,
        channel_id=ledger,
        kind=kind,
        turn_num=4,
        target=b"\x22" * 32,
        amount=amount_to_bytes(100),
        left=destination_of(ALICE.address),
        right=destination_of(BOB.address),
        left_amount=amount_to_bytes(60),
        fee=amount_to_bytes(1 if kind == "add" else 0),
    )


def told(event: events.Event) -> str:
    return MONEY_SENTENCES[type(event)](event, CAST).what


def test_each_change_of_a_ledger_is_told() -> None:
    whole = replace(update("add"), left_amount=amount_to_bytes(100))
    assert told(whole) == (
        "We proposed to guarantee 100 wei for the channel 0x2222…2222 for a fee of 1 wei (turn 4)."
    )
    assert told(update("add")) == (
        "We proposed to guarantee 100 wei, 60 wei of it from us, for the channel 0x2222…2222 "
        "for a fee of 1 wei (turn 4)."
    )
    assert told(update("remove")).startswith(
        "We proposed to end the guarantee of 100 wei for the channel 0x2222…2222, 60 wei of it to"
    )
    assert "move 100 wei from us to follower 0xBBB6" in told(update("move"))
    nothing = replace(update("move"), amount=amount_to_bytes(0))
    assert told(nothing) == "We proposed to go on as it stands, by a move of 0 (turn 4)."
    assert told(update("move", b"\x05" * 32)).endswith("(turn 4 in the ledger 0x0505…0505).")


def test_an_update_goes_to_the_other_party_of_its_ledger() -> None:
    assert MONEY_SENTENCES[ledger_events.LedgerUpdateProposed](update("add"), CAST).peer == (
        BOB.address
    )


def test_a_memo_is_quoted_and_left_out_if_there_is_none() -> None:
    paid = events.VoucherIssued(
        CHANNEL, bytes(32), amount_to_bytes(3), amount_to_bytes(9), bytes(65), "tea"
    )
    assert told(paid) == 'We paid 3 wei to follower 0xBBB6…1D94, "tea"; 9 wei in all.'
    assert '"' not in told(replace(paid, memo=""))
