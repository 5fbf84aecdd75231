"""Opening an application channel: what both must have and agree on before anybody deposits."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import messages
from protocols.app_channel import ALTERNATE, JUDGED, LEADER, MESSAGE_LOG
from protocols.app_data import decode_app_data, encode_app_data, opening_data
from protocols.app_errors import NoMessageLogApp, ReducerNotInstalled, TurnRuleUnknown
from protocols.draft import PLAYER
from protocols.errors import AppNotSupported, OutcomeNotSupported
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
from tests.support.builders import PAYMENT_APP
from tests.support.network import CoreNode, Said


def proposal(turn_rule: str = ALTERNATE, **changes: object) -> messages.ChannelProposal:
    """What ALICE could propose to BOB."""
    app = changes.pop("app_definition", LOG_APP)
    assert isinstance(app, bytes)
    fixed = app_fixed(app)
    allocations = tuple(
        Allocation(destination_of(who.address), amount)
        for who, amount in zip((ALICE, BOB), STAKES, strict=True)
    )
    state = State(
        fixed, opening_data(REDUCER), (SingleAssetExit(ZERO_ADDRESS, allocations),), 0, False
    )
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


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (proposal("majority"), "TURN_RULE_UNKNOWN"),
        (proposal(""), "TURN_RULE_UNKNOWN"),
        (proposal(LEADER, app_definition=GAME_APP), "TURN_RULE_UNKNOWN"),
        (proposal(app_data=b""), "INVALID_ENCODING"),
        (proposal(app_data=opening_data(REDUCER) + bytes(32)), "INVALID_ENCODING"),
        (proposal(app_data=opening_data(b"\x01" * 32)), "REDUCER_NOT_INSTALLED"),
        (proposal(app_definition=b"\x77" * 20), "APP_NOT_SUPPORTED"),
        (proposal(app_definition=PAYMENT_APP), "STATE_REFUSED"),
        (proposal(app_definition=PAYMENT_APP, app_data=b""), "TURN_RULE_UNKNOWN"),
    ],
    ids=[
        "rule",
        "no rule",
        "led game",
        "no data",
        "longer data",
        "reducer",
        "app",
        "payments",
        "payments by turns",
    ],
)
def test_proposals_that_we_cannot_run_leave_nothing(
    body: messages.ChannelProposal, name: str
) -> None:
    bob = AppNetwork().bob
    bob.feed(Said(ALICE, body))
    (dropped,) = bob.events_of("message-dropped")
    assert dropped.reason.startswith(name)
    assert not bob.state.channels


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
