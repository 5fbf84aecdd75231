"""What is said again of a virtual channel after a cut tail, and what nobody signs then (M27)."""

from __future__ import annotations

from msgspec.structs import replace

from protocols import commands
from protocols.channel import supported_final
from protocols.draft import Draft
from protocols.messages import VirtualState, decode_body
from protocols.objectives.virtual_retelling import retell
from protocols.types import ChannelId
from protocols.virtual_paths import is_agreed, stands, virtual_of
from tests.support.web import Web, WebNode


def told(node: WebNode, to: WebNode, channel_id: ChannelId) -> list[str]:
    """What the node would say again to the other one."""
    draft = Draft(node.state, node.context())
    retell(draft, node.channel(channel_id), to.actor.address)
    return [type(decode_body(effect.body)).__name__ for effect in draft.effects]  # type: ignore[union-attr]


def test_an_open_channel_is_told_to_its_links_alone() -> None:
    web = Web(2)
    channel_id = web.opened()
    alice, ivan, irene, bob = web.row
    assert told(ivan, alice, channel_id) == ["VirtualProposal", "VirtualState"]
    assert told(ivan, irene, channel_id) == ["VirtualProposal", "VirtualState"]
    assert told(ivan, bob, channel_id) == []
    assert told(alice, bob, channel_id) == ["VirtualProposal", "VirtualState"]


def test_what_is_over_is_not_told() -> None:
    web = Web(1)
    channel_id = web.opened()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert told(web.payer, web.row[1], channel_id) == []


def test_a_channel_that_is_given_up_is_told_as_such() -> None:
    web = Web(1)
    channel_id = web.open()
    hub = web.row[1]
    web.until(lambda: is_agreed(web.payer.state, web.ledgers[0], channel_id))
    web.payer.feed(commands.CloseChannel(channel_id))
    assert told(web.payer, hub, channel_id)[-1] == "UnwindingRequest"
    web.settle()
    assert told(hub, web.payer, channel_id)[-1] == "ObjectiveRejection"


def test_who_knows_more_answers_what_is_said_again() -> None:
    web = Web(1)
    channel_id = web.opened()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    hub = web.row[1]
    before = len(hub.outbox.get(web.payer.actor.address, []))
    postfund = web.payer.channel(channel_id).turns[1]
    from_payer = replace(_state(web, channel_id), signatures=postfund.signatures)
    assert web.hears(hub, web.payer, from_payer) == ""
    answers = hub.outbox[web.payer.actor.address][before:]
    assert [decode_body(sent.body).signatures for sent in answers] == [  # type: ignore[union-attr]
        web.payer.channel(channel_id).turns[-1].signatures
    ]


def _state(web: Web, channel_id: ChannelId) -> VirtualState:
    """The postfund without signatures."""
    postfund = web.payer.channel(channel_id).turns[1]
    return VirtualState(channel_id, postfund.encoded_state, ())


def test_a_hub_that_lost_a_tail_signs_no_final_state_but_the_one_that_is_shown_to_it() -> None:
    web = Web(1)
    channel_id = web.opened()
    hub, bob = web.row[1], web.payee
    hub.lose_tail()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert supported_final(hub.channel(channel_id)) is None
    turn = hub.channel(channel_id).turns[-1]
    signed = hub.actor.signer(turn.state_hash)
    shown = (turn.signatures[0], signed, turn.signatures[2])
    body = replace(_state(web, channel_id), encoded_state=turn.encoded_state, signatures=shown)
    assert web.hears(hub, bob, body) == ""
    assert supported_final(hub.channel(channel_id)) is not None
    web.nobody_signed_twice()


def test_a_hub_that_lost_a_tail_neither_signs_nor_renounces_a_postfund() -> None:
    web = Web(1)
    channel_id = web.open()
    hub, bob = web.row[1], web.payee
    web.until(lambda: is_agreed(hub.state, web.ledgers[1], channel_id))
    assert not hub.channel(channel_id).signed_by_me(1)
    hub.lose_tail()
    web.hand_over(bob, hub.actor.address)
    assert not hub.channel(channel_id).signed_by_me(1)
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert virtual_of(hub.channel(channel_id)).unwinding
    assert hub.actor.address not in virtual_of(hub.channel(channel_id)).renounced
    web.sums_are_constant()


def test_a_hub_that_lost_a_tail_renounces_nothing_although_its_right_is_free() -> None:
    """What the lost end held may be its postfund."""
    web = Web(1, right_leads=frozenset({1}))
    channel_id = web.open()
    hub = web.row[1]
    web.until(lambda: is_agreed(hub.state, web.ledgers[0], channel_id))
    assert not stands(hub.state, web.ledgers[1], channel_id)
    hub.lose_tail()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle(without=frozenset({web.payee.actor.address}))
    virtual = virtual_of(hub.channel(channel_id))
    assert virtual.unwinding
    assert not stands(hub.state, web.ledgers[1], channel_id)
    assert hub.actor.address not in virtual.renounced
    assert stands(hub.state, web.ledgers[0], channel_id)
