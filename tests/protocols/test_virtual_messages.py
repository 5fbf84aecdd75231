"""Which objective a message about a virtual channel belongs to, and who may send it."""

from __future__ import annotations

import pytest

from protocols import messages
from protocols.messages import decode_body
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.virtual_messages import MESSAGES, objective_of
from tests.support.web import Web


def test_a_proposal_and_a_postfund_open_and_a_final_state_closes() -> None:
    web = Web(1)
    channel_id = web.open()
    proposal = decode_body(web.payer.outbox[web.payee.actor.address][0].body)
    assert isinstance(proposal, messages.VirtualProposal)
    fund = objective_id(ObjectiveType.VIRTUAL_FUND, channel_id)
    defund = objective_id(ObjectiveType.VIRTUAL_DEFUND, channel_id)
    assert objective_of(proposal) == fund
    channel = web.payer.channel(channel_id)
    prefund = channel.state(channel.turns[0])
    running = messages.VirtualState(channel_id, prefund.encode(), ())
    assert objective_of(running) == fund
    final = type(prefund)(prefund.fixed, b"", prefund.outcome, 3, True)
    assert objective_of(messages.VirtualState(channel_id, final.encode(), ())) == defund
    for word in (messages.PostfundRenunciation, messages.UnwindingRequest):
        assert objective_of(word(channel_id, "X", "no")) == fund


@pytest.mark.parametrize("kind", [k for k in MESSAGES if k is not messages.VirtualProposal])
def test_a_message_about_an_unknown_channel_is_dropped(kind: type) -> None:
    web = Web(1)
    parts = (b"", ()) if kind is messages.VirtualState else ("X", "no")
    assert web.hears(web.row[1], web.payer, kind(bytes(32), *parts)) == "UNKNOWN_CHANNEL"


def test_a_message_about_a_ledger_is_for_no_virtual_channel() -> None:
    web = Web(1)
    request = messages.UnwindingRequest(web.ledgers[0], "X", "no")
    assert web.hears(web.row[1], web.payer, request) == "UNKNOWN_CHANNEL"


def test_a_single_signature_is_no_state_of_a_virtual_channel() -> None:
    web = Web(1)
    channel_id = web.opened()
    turn = web.payer.channel(channel_id).turns[1]
    single = messages.SignedState(channel_id, turn.encoded_state, turn.signatures[0])
    assert web.hears(web.payee, web.payer, single) == "UNEXPECTED_MESSAGE"


def test_an_intermediary_is_asked_for_no_final_state() -> None:
    web = Web(1)
    channel_id = web.opened()
    hub = web.row[1]
    request = messages.FinalStateRequest(channel_id, bytes(32), b"")
    refusal = messages.FinalStateRefusal(channel_id, 3, bytes(32), b"")
    assert web.hears(hub, web.payee, request) == "STATE_REFUSED"
    assert web.hears(hub, web.payee, refusal) == "STATE_REFUSED"
    assert web.hears(web.payee, hub, request) == "UNKNOWN_CHANNEL"
