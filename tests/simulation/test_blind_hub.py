"""A hub that does not see the chain gives nothing on its right: what is on its left may be gone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.exit_calls import challenge_call
from protocols.ledger import ledger_state
from protocols.objectives.base import ObjectiveStatus
from protocols.signed_state import SignedState
from protocols.state import challenge_message
from protocols.types import ChannelId
from protocols.virtual_paths import is_agreed
from tests.support.builders import ADJUDICATOR, DURATION_S, tx_hash
from tests.support.exit_web import ExitWeb
from tests.support.model_chain import ModelTransaction
from tests.support.web import WebNode

AMOUNT = 1_000
LEADS = (frozenset(), frozenset({0, 1}))
"""The hub proposes in its right ledger, or answers there."""
BLIND = (None, DURATION_S // 3 + 1)
"""No head since the start, or one that is older than a third of the challenge duration (M11)."""


def challenge(web: ExitWeb, node: WebNode, channel_id: ChannelId) -> None:
    """The node's newest state of the channel is registered and stands to its end."""
    channel = node.channel(channel_id)
    if channel.ledger is not None:
        ledger = channel.ledger
        state = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
        signatures = ledger.signatures
    else:
        turn = channel.turn(1)
        assert turn is not None
        state, signatures = channel.state(turn), turn.signatures
    wish = node.actor.signer(challenge_message(state.state_hash()))
    data = challenge_call(SignedState(state, signatures), (), wish)
    name, who = tx_hash(77, index=5), node.actor.address
    web.chain.pool.append(ModelTransaction(b"", name, who, ADJUDICATOR, 0, data))
    web.chain.mine()
    web.chain.pass_time(DURATION_S)
    for _ in range(web.chain.depth + 2):
        web.chain.mine()


def hear_all(web: ExitWeb, node: WebNode) -> None:
    node.chain_view_age_s = 0
    while web.hear_of_chain(node):
        web.work_on_chain(node)
    node.feed(inputs.Tick())
    web.settle()


@pytest.mark.parametrize("age_s", BLIND)
@pytest.mark.parametrize("leads", LEADS)
def test_a_hub_gives_no_guarantee_back_by_a_final_state_while_it_is_blind(
    leads: frozenset[int], age_s: int | None
) -> None:
    web = ExitWeb(1, right_leads=leads)
    channel_id = web.opened(AMOUNT, AMOUNT)
    payer, hub, payee = web.row
    # The payer ends the channel on chain by its postfund, and the payee, who is hers, lets her.
    challenge(web, payer, channel_id)
    hub.chain_view_age_s = age_s
    payer.feed(commands.CloseChannel(channel_id, "close"))
    web.settle()
    assert is_agreed(hub.state, web.ledgers[1], channel_id)
    for node in (hub, payee, payer):
        hear_all(web, node)
    web.wait(5_000)
    web.settle()
    assert not is_agreed(hub.state, web.ledgers[1], channel_id)
    assert web.changes()[1] == 1, "its fee"


@pytest.mark.parametrize("leads", LEADS)
def test_what_counts_is_the_shorter_challenge_of_ledger_and_channel(leads: frozenset[int]) -> None:
    web = ExitWeb(1, right_leads=leads)
    hub = web.row[1]
    command = replace(web.open_command(AMOUNT), challenge_duration=DURATION_S // 2)
    web.payer.feed(command)
    web.settle()
    (channel_id,) = (known for known in hub.state.channels if known not in web.ledgers)
    hub.chain_view_age_s = DURATION_S // 6 + 1
    web.payer.feed(commands.CloseChannel(channel_id, "close"))
    web.settle()
    assert is_agreed(hub.state, web.ledgers[1], channel_id)
    hub.chain_view_age_s = DURATION_S // 6
    web.wait(1_000)
    web.settle()
    assert not is_agreed(hub.state, web.ledgers[1], channel_id)


@pytest.mark.parametrize("age_s", BLIND)
@pytest.mark.parametrize("leads", LEADS)
def test_a_blind_hub_opens_no_channel_until_it_sees(
    leads: frozenset[int], age_s: int | None
) -> None:
    web = ExitWeb(1, right_leads=leads)
    payer, hub, _ = web.row
    challenge(web, payer, web.ledgers[0])
    hub.chain_view_age_s = age_s
    channel_id = web.open(AMOUNT)
    web.settle()
    assert not is_agreed(hub.state, web.ledgers[1], channel_id)
    hear_all(web, hub)
    web.wait(5_000)
    web.settle()
    # Now it knows that its left ledger is over.
    assert not is_agreed(hub.state, web.ledgers[1], channel_id)


@pytest.mark.parametrize("leads", LEADS)
def test_a_channel_opens_once_the_hub_sees_again(leads: frozenset[int]) -> None:
    web = ExitWeb(1, right_leads=leads)
    web.row[1].chain_view_age_s = None
    channel_id = web.open(AMOUNT)
    web.settle()
    web.row[1].chain_view_age_s = 0
    web.wait(1_000)
    web.settle()
    assert all(web.fund_status(node, channel_id) == ObjectiveStatus.COMPLETED for node in web.row)
