"""Sets of signatures: taken in when they are their participants', told once and one way."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from protocols import messages
from protocols.messages import VirtualState, decode_body
from protocols.objectives.virtual_states import (
    is_complete,
    may_sign_final,
    may_sign_postfund,
    signatures_of,
)
from protocols.types import ChannelId
from tests.support.web import Web


def state_by(
    web: Web, channel_id: ChannelId, turn_num: int, *signers: int, is_final: bool = False
) -> VirtualState:
    """The deposit unspent at that turn, signed by the participants with these indices."""
    channel = web.payer.channel(channel_id)
    prefund = channel.state(channel.turns[0])
    state = replace(prefund, turn_num=turn_num, is_final=is_final)
    signatures = tuple(
        node.actor.signer(state.state_hash()) if place in signers else b""
        for place, node in enumerate(web.row)
    )
    return VirtualState(channel_id, state.encode(), signatures)


def guaranteed(hops: int = 1) -> tuple[Web, ChannelId]:
    """Nobody has signed the postfund; the hub's left ledger carries the channel."""
    web = Web(hops)
    channel_id = web.open(1_000)
    hub = web.row[1]
    web.until(
        lambda: (
            bool(hub.ledger(web.ledgers[0]).current.guarantees)
            and is_complete(hub.channel(channel_id))
        )
    )
    return web, channel_id


@pytest.mark.parametrize(
    ("hops", "proposals", "states"), [(0, 2, 2), (1, 6, 4), (2, 9, 6), (4, 15, 10)]
)
def test_each_set_is_told_once_and_one_way(hops: int, proposals: int, states: int) -> None:
    web = Web(hops)
    web.opened()
    sent = Counter(
        event.payload_type for node in web.row for event in node.events_of("message-sent")
    )
    assert sent == {"VirtualProposal": proposals, "VirtualState": states}


def test_a_postfund_before_the_whole_prefund_is_refused() -> None:
    web = Web(1)
    channel_id = web.open(1_000)
    web.hand_over(web.payer, web.row[1].actor.address)
    early = state_by(web, channel_id, 1, 2)
    assert web.hears(web.row[1], web.payee, early) == "STATE_REFUSED"


def test_a_postfund_of_others_brings_nobody_to_sign_before_its_own_guarantees() -> None:
    web, channel_id = guaranteed()
    hub = web.row[1]
    assert web.hears(hub, web.payee, state_by(web, channel_id, 1, 0, 2)) == ""
    assert signatures_of(hub.channel(channel_id), 1)[0]
    assert not hub.channel(channel_id).signed_by_me(1)


def test_a_postfund_with_another_split_is_refused() -> None:
    web, channel_id = guaranteed()
    channel = web.payer.channel(channel_id)
    prefund = channel.state(channel.turns[0])
    (exit_,) = prefund.outcome
    payer, payee = exit_.allocations
    shares = (replace(payer, amount=999), replace(payee, amount=1))
    other = replace(prefund, turn_num=1, outcome=(replace(exit_, allocations=shares),))
    signature = web.payee.actor.signer(other.state_hash())
    body = VirtualState(channel_id, other.encode(), (b"", b"", signature))
    assert web.hears(web.row[1], web.payee, body) == "STATE_REFUSED"


@pytest.mark.parametrize("turn_num", [0, 2, 7])
def test_only_the_postfund_is_told_before_the_end(turn_num: int) -> None:
    web, channel_id = guaranteed()
    body = state_by(web, channel_id, turn_num, 2)
    assert web.hears(web.row[1], web.payee, body) == "STATE_REFUSED"


def test_a_signature_by_somebody_else_is_refused_and_nothing_of_the_set_is_kept() -> None:
    web, channel_id = guaranteed()
    body = state_by(web, channel_id, 1, 0, 2)
    swapped = replace(body, signatures=(body.signatures[2], b"", body.signatures[2]))
    assert web.hears(web.row[1], web.payee, swapped) == "WRONG_SIGNER"
    assert web.row[1].channel(channel_id).turn(1) is None


def test_our_own_signature_is_taken_from_nobody() -> None:
    web, channel_id = guaranteed()
    hub = web.row[1]
    assert web.hears(hub, web.payee, state_by(web, channel_id, 1, 0, 1, 2)) == ""
    assert not hub.channel(channel_id).signed_by_me(1)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_set_has_one_place_a_participant(count: int) -> None:
    web, channel_id = guaranteed()
    body = replace(state_by(web, channel_id, 1, 2), signatures=(b"",) * count)
    assert web.hears(web.row[1], web.payee, body) == "STATE_REFUSED"


def test_the_postfund_is_signed_from_right_to_left() -> None:
    web, channel_id = guaranteed(2)
    hub, right = web.row[1:3]
    assert not may_sign_postfund(hub.channel(channel_id))
    assert web.hears(hub, right, state_by(web, channel_id, 1, 2)) == ""
    assert not may_sign_postfund(hub.channel(channel_id))
    assert web.hears(hub, right, state_by(web, channel_id, 1, 2, 3)) == ""
    assert may_sign_postfund(hub.channel(channel_id))


def test_a_hub_signs_one_final_state_after_both_ends() -> None:
    web = Web(2)
    channel_id = web.opened()
    hub, right = web.row[1:3]
    for signers in ((0,), (0, 3), (2, 3), (0, 2)):
        body = state_by(web, channel_id, 3, *signers, is_final=True)
        assert web.hears(hub, right, body) == "STATE_REFUSED"
    assert web.hears(hub, right, state_by(web, channel_id, 3, 0, 2, 3, is_final=True)) == ""
    channel = hub.channel(channel_id)
    assert channel.signed_by_me(3)
    second = state_by(web, channel_id, 4, 0, 2, 3, is_final=True)
    assert web.hears(hub, right, second) == "STATE_REFUSED"
    turn = channel.turn(3)
    assert turn is not None
    assert may_sign_final(channel, turn)
    assert not may_sign_final(channel, replace(turn, turn_num=4))


def test_a_link_that_is_none_is_not_heard() -> None:
    web, channel_id = guaranteed(2)
    bob_to_first_hub = state_by(web, channel_id, 1, 3)
    assert web.hears(web.row[1], web.payee, bob_to_first_hub) == "UNKNOWN_CHANNEL"
    assert web.hears(web.payee, web.row[1], bob_to_first_hub) == "UNKNOWN_CHANNEL"
    unknown = replace(bob_to_first_hub, channel_id=bytes(32))
    assert web.hears(web.row[1], web.payer, unknown) == "UNKNOWN_CHANNEL"


def test_the_whole_prefund_names_the_ledger_to_its_right_hand_reader_alone() -> None:
    web = Web(1)
    web.open()
    hub, bob = web.row[1].actor.address, web.payee.actor.address
    bodies = {to: decode_body(web.payer.outbox[to][0].body) for to in (hub, bob)}
    named = {to: body.ledger_id for to, body in bodies.items() if hasattr(body, "ledger_id")}
    assert named == {hub: web.ledgers[0], bob: b""}
    assert all(isinstance(body, messages.VirtualProposal) for body in bodies.values())
