"""A leader proposes a removal once, and after a refusal again, ever more rarely."""

from __future__ import annotations

from protocols import commands, inputs, messages
from protocols.objectives.removals import REMOVAL_PAUSE_MS
from protocols.types import ChannelId
from protocols.virtual_paths import is_agreed, is_proposed, virtual_of
from tests.support.web import Web, WebNode


def removal_proposed() -> tuple[Web, ChannelId, WebNode]:
    """The payer has proposed the removal by the final state; her hub has not heard it."""
    web = Web(1)
    channel_id = web.opened()
    web.payer.feed(commands.CloseChannel(channel_id))
    payer = web.payer
    web.until(lambda: not is_proposed(payer.state, web.ledgers[0], channel_id))
    return web, channel_id, payer


def refuse(web: Web, payer: WebNode) -> None:
    """The hub says that it never signs the newest proposal, and countersigns its inverse."""
    ledger_id = web.ledgers[0]
    turn_num = payer.ledger(ledger_id).proposed_turn
    body = messages.LedgerRefusal(ledger_id, turn_num, "REMOVAL_NOT_ALLOWED", "lost it")
    assert web.hears(payer, web.row[1], body) == ""
    undone = payer.ledger(ledger_id).queue[-1]
    signature = web.row[1].actor.signer(undone.state_hash)
    agreed = messages.LedgerCountersignature(ledger_id, undone.turn_num, signature)
    assert web.hears(payer, web.row[1], agreed) == ""


def test_a_removal_is_proposed_once() -> None:
    web, _, payer = removal_proposed()
    proposed = len(payer.events_of("ledger-update-proposed"))
    payer.feed(inputs.Tick())
    payer.feed(inputs.Tick())
    assert len(payer.events_of("ledger-update-proposed")) == proposed
    web.settle()
    assert web.changes() == [-1, 1, 0]


def test_a_refused_removal_is_proposed_again_after_a_pause_that_doubles() -> None:
    web, channel_id, payer = removal_proposed()
    start_ms = payer.now_ms
    for count in (1, 2, 3):
        refuse(web, payer)
        assert is_agreed(payer.state, web.ledgers[0], channel_id)
        assert virtual_of(payer.channel(channel_id)).removal_refusal_count == count
        payer.now_ms = start_ms + (REMOVAL_PAUSE_MS << count) - 1
        payer.feed(inputs.Tick())
        assert is_proposed(payer.state, web.ledgers[0], channel_id)
        payer.now_ms += 1
        payer.feed(inputs.Tick())
        assert not is_proposed(payer.state, web.ledgers[0], channel_id)


def test_after_a_refusal_the_follower_is_told_the_final_state_again() -> None:
    web, _, payer = removal_proposed()
    told = len(payer.events_of("message-sent"))
    refuse(web, payer)
    payer.now_ms += REMOVAL_PAUSE_MS << 1
    payer.feed(inputs.Tick())
    (again,) = payer.events_of("message-sent")[told:]
    assert again.payload_type == "VirtualState"
