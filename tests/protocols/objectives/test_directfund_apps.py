"""Opening an application channel: what both must have and agree on before anybody deposits."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import messages
from protocols.app_channel import ALTERNATE, JUDGED, LEADER, MESSAGE_LOG
from protocols.app_data import decode_app_data, encode_app_data, opening_data
from protocols.app_errors import (
    AppOpeningRefused,
    NoMessageLogApp,
    ReducerNotInstalled,
    TurnRuleUnknown,
)
from protocols.draft import PLAYER
from protocols.errors import AppNotSupported, OutcomeNotSupported
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import State
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.app_rig import (
    APP_CHANNEL,
    GAME_APP,
    LOG_APP,
    REDUCER,
    STAKES,
    AppNetwork,
    app_fixed,
    open_app,
    opened_app,
)
from tests.support.builders import DURATION_S, PAYMENT_APP
from tests.support.network import CoreNode, Said


def proposal(turn_rule: str = ALTERNATE, **changes: object) -> messages.ChannelProposal:
    """What ALICE could propose to BOB."""
    app = changes.pop("app_definition", LOG_APP)
    assert isinstance(app, bytes)
    asset = changes.pop("asset", ZERO_ADDRESS)
    duration = changes.pop("challenge_duration", DURATION_S)
    assert isinstance(asset, bytes)
    fixed = replace(app_fixed(app), challenge_duration=duration)
    allocations = tuple(
        Allocation(destination_of(who.address), amount)
        for who, amount in zip((ALICE, BOB), STAKES, strict=True)
    )
    state = State(fixed, opening_data(REDUCER), (SingleAssetExit(asset, allocations),), 0, False)
    state = replace(state, **changes)
    return messages.ChannelProposal(
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
        state.encode(),
        ALICE.signer(state.state_hash()),
        turn_rule,
    )


@pytest.mark.parametrize("turn_rule", [ALTERNATE, LEADER])
def test_both_agree_on_reducer_and_rule_and_deposit_their_stakes(turn_rule: str) -> None:
    network = opened_app(turn_rule)
    for node in (network.alice, network.bob):
        app = node.app()
        assert (app.reducer_id, app.turn_rule, app.definition_rule) == (
            REDUCER,
            turn_rule,
            MESSAGE_LOG,
        )
        channel = node.channel(APP_CHANNEL)
        for turn in channel.turns:
            assert decode_app_data(channel.state(turn).app_data).reducer_id == REDUCER
            assert channel.state(turn).app_data == opening_data(REDUCER)
    asked = network.bob.proposals[0]
    assert (asked.role, asked.reducer_id, asked.amount) == (PLAYER, REDUCER, sum(STAKES))


def test_a_game_that_its_contract_judges_runs_on_that_contract() -> None:
    network = opened_app(app_definition=GAME_APP)
    app = network.bob.app(app_fixed(GAME_APP).channel_id())
    assert (app.definition_rule, app.is_judged) == (JUDGED, True)


def test_what_we_cannot_run_we_do_not_open() -> None:
    network = AppNetwork()
    network.alice.installed.clear()
    with pytest.raises(ReducerNotInstalled):
        network.alice.feed(open_app())
    network.alice.installed.add(REDUCER)
    for turn_rule, app in (("majority", b""), ("", b""), (LEADER, GAME_APP)):
        with pytest.raises(TurnRuleUnknown):
            network.alice.feed(open_app(turn_rule, app_definition=app))
    with pytest.raises(AppNotSupported):
        network.alice.feed(open_app(app_definition=b"\x77" * 20))
    with pytest.raises(OutcomeNotSupported):
        network.alice.feed(open_app(amount=0, counterparty_amount=0))
    with pytest.raises(NoMessageLogApp):
        CoreNode(ALICE).feed(open_app())


HONEST = {
    "rule": (proposal("majority"), "TURN_RULE_UNKNOWN"),
    "no rule": (proposal(""), "TURN_RULE_UNKNOWN"),
    "led game": (proposal(LEADER, app_definition=GAME_APP), "TURN_RULE_UNKNOWN"),
    "reducer": (proposal(app_data=opening_data(b"\x01" * 32)), "REDUCER_NOT_INSTALLED"),
    "app": (proposal(app_definition=b"\x77" * 20), "APP_NOT_SUPPORTED"),
    "asset": (proposal(asset=b"\x70" * 20), "ASSET_NOT_SUPPORTED"),
    "short": (proposal(challenge_duration=60), "CHALLENGE_DURATION_TOO_SHORT"),
    "long": (proposal(challenge_duration=2**40), "CHALLENGE_DURATION_TOO_LONG"),
}
FAULTS = {
    "no data": (proposal(app_data=b""), "INVALID_ENCODING"),
    "longer data": (proposal(app_data=opening_data(REDUCER) + bytes(32)), "INVALID_ENCODING"),
    "payments": (proposal(app_definition=PAYMENT_APP), "STATE_REFUSED"),
    "payments by turns": (
        proposal(app_definition=PAYMENT_APP, app_data=b""),
        "TURN_RULE_UNKNOWN",
    ),
    "no application": (proposal(app_definition=b"\x77" * 20, app_data=b""), "APP_NOT_SUPPORTED"),
}


@pytest.mark.parametrize(("body", "name"), HONEST.values(), ids=HONEST)
def test_what_an_honest_peer_may_propose_is_refused_by_name(
    body: messages.ChannelProposal, name: str
) -> None:
    bob = AppNetwork().bob
    bob.feed(Said(ALICE, body))
    (sent,) = bob.outbox[ALICE.address]
    told = messages.decode_body(sent.body)
    assert isinstance(told, messages.ObjectiveRejection)
    assert told.error_code == name
    assert told.objective_id == objective_id(
        ObjectiveType.DIRECT_FUND, messages.fixed_part(body).channel_id()
    )
    assert bob.peer(ALICE.address).fault_count == 0
    assert not bob.state.channels
    assert bob.fold().digest() == bob.state.digest()


@pytest.mark.parametrize(("body", "name"), FAULTS.values(), ids=FAULTS)
def test_what_no_honest_peer_proposes_is_its_fault(
    body: messages.ChannelProposal, name: str
) -> None:
    bob = AppNetwork().bob
    bob.feed(Said(ALICE, body))
    (dropped,) = bob.events_of("message-dropped")
    assert dropped.reason.startswith(name)
    assert not bob.state.channels
    assert not bob.outbox.get(ALICE.address)


def test_who_repeats_what_is_refused_is_counted_as_repeating_itself() -> None:
    bob = AppNetwork().bob
    body, _ = HONEST["reducer"]
    for _ in range(3):
        bob.feed(Said(ALICE, body))
    assert bob.peer(ALICE.address).repeat_count == 3


def test_the_proposer_hears_the_name_and_its_opening_ends() -> None:
    network = AppNetwork()
    network.bob.installed.clear()
    network.alice.feed(open_app())
    network.settle()
    (rejected,) = network.alice.events_of("objective-rejected")
    assert rejected.error_code == "REDUCER_NOT_INSTALLED"
    assert network.alice.channel(APP_CHANNEL).rejected
    assert network.alice.submissions == []


# --- the reducer is asked before anything is signed ---


def only_equal(deposits: tuple[int, int]) -> str:
    """The opening of a game for equal stakes."""
    return "" if deposits[0] == deposits[1] else "code 3"


def test_who_proposes_asks_its_own_reducer_first() -> None:
    network = AppNetwork()
    network.alice.refuse_opening = only_equal
    with pytest.raises(AppOpeningRefused) as refused:
        network.alice.feed(open_app())
    assert (refused.value.reducer_id, refused.value.reason) == (REDUCER, "code 3")
    assert not network.alice.state.channels
    network.alice.feed(open_app(counterparty_amount=STAKES[0]))
    assert network.alice.channel(APP_CHANNEL).signed_by_me(0)


def test_the_other_end_asks_its_own_before_it_signs_and_says_so() -> None:
    network = AppNetwork()
    network.bob.refuse_opening = only_equal
    network.alice.feed(open_app())
    network.settle()
    (rejected,) = network.alice.events_of("objective-rejected")
    assert rejected.error_code == AppOpeningRefused.name()
    assert "code 3" in rejected.reason
    for node in (network.alice, network.bob):
        assert node.channel(APP_CHANNEL).rejected
        assert node.submissions == []
    assert not network.bob.channel(APP_CHANNEL).signed_by_me(0)
    assert network.bob.fold().digest() == network.bob.state.digest()


def test_an_owner_is_not_asked_about_what_the_reducer_refuses() -> None:
    network = AppNetwork(verdict="ask")
    network.bob.refuse_opening = only_equal
    network.alice.feed(open_app())
    network.settle()
    assert network.bob.channel(APP_CHANNEL).rejected


def test_nobody_runs_a_reducer_for_what_policy_denies() -> None:
    network = AppNetwork(verdict="deny")
    asked: list[tuple[int, int]] = []
    network.bob.refuse_opening = lambda deposits: str(asked.append(deposits) or "")
    network.alice.feed(open_app())
    network.settle()
    assert asked == []
    assert network.bob.channel(APP_CHANNEL).rejected


def test_a_channel_that_begins_with_messages_is_refused() -> None:
    data = decode_app_data(opening_data(REDUCER))
    body = proposal(app_data=encode_app_data(replace(data, count=1, message=b"m")))
    bob = AppNetwork().bob
    bob.feed(Said(ALICE, body))
    (dropped,) = bob.events_of("message-dropped")
    assert "begins without messages" in dropped.reason


def test_policy_may_ask_the_owner_who_may_say_no() -> None:
    network = AppNetwork(verdict="deny")
    network.alice.feed(open_app())
    network.settle()
    assert network.alice.channel(APP_CHANNEL).rejected
    assert network.bob.channel(APP_CHANNEL).rejected
