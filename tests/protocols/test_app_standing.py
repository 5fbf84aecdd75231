"""A channel ends by the newest state that both signed, whoever lost what."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands, messages
from protocols.app_channel import ALTERNATE, LEADER
from protocols.app_standing import running_support, supported_amounts
from protocols.app_talk import state_of
from protocols.payment_errors import ChannelCloseOnly
from tests.support.app_rig import APP_CHANNEL, GAME_APP, STAKES, AppNetwork, app_fixed, opened_app
from tests.support.network import Said


def played(rounds: int = 3, turn_rule: str = LEADER) -> AppNetwork:
    network = opened_app(turn_rule)
    for _ in range(rounds):
        network.alice.say(10)
        network.settle()
    network.require_agreement()
    return network


def payouts(network: AppNetwork) -> list[int]:
    paid = network.alice.events_of("withdraw-completed")
    return [int.from_bytes(event.amount, "big") for event in paid]


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_either_end_closes_by_what_the_reducer_said_last(who: str) -> None:
    network = played()
    getattr(network, who).feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    assert payouts(network) == [STAKES[0] - 30, STAKES[1] + 30]
    (final,) = network.alice.events_of("channel-finalized")
    assert final.final_turn > network.alice.app().tip.turn_num


@pytest.mark.parametrize("lost", ["alice", "bob"])
@pytest.mark.parametrize("closer", ["alice", "bob"])
@pytest.mark.parametrize("answer_count", [1, 3])
def test_who_lost_records_ends_by_what_the_other_shows(
    lost: str, closer: str, answer_count: int
) -> None:
    network = played()
    loser = getattr(network, lost)
    network.cut_tail(loser, answer_count)
    assert loser.channel(APP_CHANNEL).close_only
    with pytest.raises(ChannelCloseOnly):
        loser.say(1)
    network.reconnect()
    network.settle()
    getattr(network, closer).feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    assert payouts(network) == [STAKES[0] - 30, STAKES[1] + 30]


def test_what_is_under_way_is_decided_before_the_end() -> None:
    network = played()
    network.bob.say(7)
    network.bob.judge()
    network.alice.feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    assert payouts(network) == [STAKES[0] - 30, STAKES[1] + 30]
    (refused,) = network.bob.events_of("app-message-refused")
    assert refused.failure == "CHANNEL_CLOSING"


def test_our_own_offer_is_decided_before_we_sign_the_end() -> None:
    network = played()
    network.alice.say(5)
    network.alice.judge()
    network.alice.feed(commands.CloseChannel(APP_CHANNEL))
    assert not network.alice.channel(APP_CHANNEL).turns[-1].is_final
    network.settle()
    assert payouts(network) == [STAKES[0] - 30, STAKES[1] + 30]
    (refused,) = network.alice.events_of("app-message-refused")
    assert refused.failure == "CHANNEL_CLOSING"


def test_an_answer_that_is_on_its_way_counts_before_the_end() -> None:
    network = played()
    network.alice.say(5)
    network.alice.judge()
    network.deliver(network.alice)
    network.bob.judge()
    network.alice.feed(commands.CloseChannel(APP_CHANNEL))
    network.deliver(network.alice, 1)
    for index in range(network.waiting(network.bob)):
        network.deliver(network.bob, index)
    assert not network.alice.channel(APP_CHANNEL).turns[-1].is_final
    network.settle()
    assert payouts(network) == [STAKES[0] - 35, STAKES[1] + 35]


def test_an_older_state_than_we_know_changes_nothing() -> None:
    network = played(2)
    bob = network.bob
    old = network.alice.app().supported
    encoded = state_of(network.alice.channel(APP_CHANNEL)).encode()
    network.alice.say(1)
    network.settle()
    before = bob.app()
    body = messages.AppStanding(APP_CHANNEL, encoded, old.signatures)
    bob.feed(Said(network.alice.actor, body))
    assert bob.app() == before


@pytest.mark.parametrize("what", ["signature", "sum", "reducer", "final", "payee"])
def test_a_shown_state_that_is_none_is_dropped(what: str) -> None:
    network = played(2)
    bob, alice = network.bob, network.alice
    state = state_of(alice.channel(APP_CHANNEL))
    state = replace(state, turn_num=state.turn_num + 1)
    exit_ = state.outcome[0]
    first, last = exit_.allocations
    if what == "sum":
        exit_ = replace(exit_, allocations=(first, replace(last, amount=last.amount + 1)))
        state = replace(state, outcome=(exit_,))
    elif what == "payee":
        exit_ = replace(exit_, allocations=(first, replace(last, destination=bytes(32))))
        state = replace(state, outcome=(exit_,))
    elif what == "final":
        state = replace(state, is_final=True)
    elif what == "reducer":
        state = replace(state, app_data=b"\x01" * 32 + state.app_data[32:])
    else:
        state = replace(state, turn_num=state.turn_num - 1)
    forged = tuple(alice.actor.signer(state.state_hash()) for _ in range(2))
    before = bob.app()
    bob.feed(Said(alice.actor, messages.AppStanding(APP_CHANNEL, state.encode(), forged)))
    assert bob.app() == before
    assert len(bob.events_of("message-dropped")) == 1


def test_the_chain_is_shown_the_newest_running_state_with_both_signatures() -> None:
    network = played(2)
    found = running_support(network.bob.channel(APP_CHANNEL))
    assert found is not None
    candidate, proof = found
    assert candidate.is_signed_by_all
    assert (candidate.state.turn_num, proof) == (3, ())
    assert supported_amounts(network.bob.channel(APP_CHANNEL)) == (STAKES[0] - 20, STAKES[1] + 20)
    assert running_support(opened_app().bob.channel(APP_CHANNEL)) is None


def test_where_the_contract_judges_it_is_shown_the_turn_before_too() -> None:
    network = opened_app(ALTERNATE, app_definition=GAME_APP)
    channel_id = app_fixed(GAME_APP).channel_id()
    assert running_support(network.bob.channel(channel_id)) is None
    for turn, node in ((2, network.alice), (3, network.bob), (4, network.alice)):
        node.say(1, channel_id=channel_id)
        network.settle()
        found = running_support(network.bob.channel(channel_id))
        assert found is not None
        candidate, proof = found
        assert candidate.state.turn_num == turn
        assert [shown.state.turn_num for shown in proof] == ([] if turn == 2 else [turn - 1])
        assert all(shown.is_signed_by_all for shown in proof)
        assert candidate.state.app_data.endswith(b"\x01".ljust(32, b"\x00"))
