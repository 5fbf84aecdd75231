"""Proposing a virtual channel: who is told what of it, and what is no proposal at all."""

from __future__ import annotations

import pytest

from protocols import messages
from protocols.objectives.closing import final_outcome
from protocols.state import State
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE
from tests.support.web import Web


def test_policy_is_told_the_role_what_is_guaranteed_and_the_fee() -> None:
    web = Web(1, fees=(7,))
    web.opened(1_000)
    hub, payee = web.row[1].proposals[0], web.payee.proposals[0]
    assert (hub.role, hub.guaranteed, hub.fee, hub.peer) == ("hub", 1_000, 7, ALICE.address)
    assert (payee.role, payee.guaranteed, payee.fee) == ("payee", 1_000, 0)
    assert payee.peer == web.row[1].actor.address


def test_a_token_is_guaranteed_by_ledgers_of_that_token() -> None:
    web = Web(1, asset=b"\x70" * 20)
    web.opened(1_000)
    assert web.row[1].ledger(web.ledgers[0]).asset == b"\x70" * 20


def _said_as_prefund(web: Web, state: State) -> messages.VirtualProposal:
    """A state of the opened channel in the message for prefunds, signed by the payer."""
    fixed = state.fixed
    signature = web.payer.actor.signer(state.state_hash())
    return messages.VirtualProposal(
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
        state.encode(),
        (signature, *(b"" for _ in fixed.participants[1:])),
        tuple(amount_to_bytes(fee) for fee in web.fees),
        web.ledgers[0],
    )


@pytest.mark.parametrize("hops", [0, 1])
def test_a_final_state_is_not_taken_for_a_prefund(hops: int) -> None:
    web = Web(hops)
    channel_id = web.opened()
    web.pay(channel_id, 700)
    web.settle()
    payee, fixed = web.payee, web.payee.channel(channel_id).fixed
    stolen = State(fixed, b"", final_outcome(payee.channel(channel_id), 0), 3, True)
    assert web.hears(payee, web.payer, _said_as_prefund(web, stolen)) == "STATE_REFUSED"
    nothing = amount_to_bytes(0)
    web.hears(payee, web.payer, messages.FinalStateRequest(channel_id, nothing, b""))
    assert not payee.channel(channel_id).signed_by_me(3)


@pytest.mark.parametrize("hops", [0, 1])
def test_a_prefund_that_is_no_direct_channels_is_not_told_again_as_one(hops: int) -> None:
    web = Web(hops)
    channel = web.payee.channel(web.opened())
    fixed, prefund = channel.fixed, channel.turns[0]
    proposal = messages.ChannelProposal(
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
        prefund.encoded_state,
        prefund.signatures[0],
    )
    refusal = "PARTICIPANTS_REFUSED" if hops else "CHANNEL_ALREADY_SEEN"
    assert web.hears(web.payee, web.payer, proposal) == refusal
