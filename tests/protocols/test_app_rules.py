"""What must hold before anybody signs: whose app it is, how long, when."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands
from protocols.app_channel import ALTERNATE, JUDGED, LEADER, Asked
from protocols.app_data import LOG_MESSAGE_HEAD_SIZE, MESSAGE_SIZE_BYTES_MAX, TIMESTAMP_MS_MIN
from protocols.app_errors import (
    AppMessageOversized,
    NotAnAppChannel,
    NotYourTurn,
    TimestampOff,
    TurnRuleUnknown,
)
from protocols.app_rules import (
    CLOCK_MARGIN_MS,
    offer_refusal,
    require_app,
    require_clock_set,
    require_running,
    require_size,
    require_turn_rule,
)
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.payment_errors import ChainViewStale, ChannelClosing
from tests.support.app_rig import APP_CHANNEL, AppNetwork, opened_app
from tests.support.network import opened


def refusal_of(network: AppNetwork, **changes: object) -> ProtocolError | None:
    """What BOB says to an offer of ALICE."""
    bob = network.bob
    asked = replace(Asked(0, bob.now_ms, b"", (b"\x01",)), **changes)
    channel = bob.channel(APP_CHANNEL)
    channel = replace(channel, app=replace(bob.app(), asked=asked))
    return offer_refusal(Draft(bob.state, bob.context()), channel)


def test_rules_of_turns_are_two_and_a_judged_app_has_one() -> None:
    for rule in (ALTERNATE, LEADER):
        require_turn_rule(rule, is_judged=False)
    require_turn_rule(ALTERNATE, is_judged=True)
    for rule, is_judged in ((LEADER, True), ("", False), ("majority", False)):
        with pytest.raises(TurnRuleUnknown):
            require_turn_rule(rule, is_judged=is_judged)


def test_a_payment_channel_takes_no_messages() -> None:
    with pytest.raises(NotAnAppChannel):
        require_app(opened().alice.channel())


def test_a_clock_is_set_where_messages_have_timestamps() -> None:
    alice = opened_app().alice
    app = alice.app()
    for now_ms, is_refused in ((TIMESTAMP_MS_MIN, False), (TIMESTAMP_MS_MIN - 1, True)):
        alice.now_ms = now_ms
        draft = Draft(alice.state, alice.context())
        require_clock_set(draft, replace(app, definition_rule=JUDGED))
        if not is_refused:
            require_clock_set(draft, app)
            continue
        with pytest.raises(TimestampOff):
            require_clock_set(draft, app)


def test_a_message_is_as_long_as_the_chain_takes() -> None:
    app = opened_app().alice.app()
    longest = MESSAGE_SIZE_BYTES_MAX - LOG_MESSAGE_HEAD_SIZE
    require_size(app, bytes(longest))
    require_size(replace(app, definition_rule=JUDGED), bytes(MESSAGE_SIZE_BYTES_MAX))
    for payload in (b"", bytes(longest + 1)):
        with pytest.raises(AppMessageOversized):
            require_size(app, payload)


@pytest.mark.parametrize("off_ms", [-CLOCK_MARGIN_MS, 0, CLOCK_MARGIN_MS])
def test_a_timestamp_within_a_minute_is_taken(off_ms: int) -> None:
    network = opened_app()
    assert refusal_of(network, timestamp_ms=network.bob.now_ms + off_ms) is None


@pytest.mark.parametrize("off_ms", [-CLOCK_MARGIN_MS - 1, CLOCK_MARGIN_MS + 1])
def test_a_timestamp_beyond_a_minute_is_refused(off_ms: int) -> None:
    network = opened_app()
    refused = refusal_of(network, timestamp_ms=network.bob.now_ms + off_ms)
    assert isinstance(refused, TimestampOff)


def test_timestamps_never_fall() -> None:
    network = opened_app(LEADER)
    network.alice.say(1)
    network.settle()
    said_ms = network.bob.app().tip.timestamp_ms
    assert refusal_of(network, base_count=1, timestamp_ms=said_ms) is None
    refused = refusal_of(network, base_count=1, timestamp_ms=said_ms - 1)
    assert isinstance(refused, TimestampOff)


def test_what_is_asked_out_of_turn_is_refused() -> None:
    network = opened_app(ALTERNATE)
    network.alice.say(1)
    network.settle()
    assert isinstance(refusal_of(network, base_count=1), NotYourTurn)


def test_a_channel_that_closes_or_whose_chain_is_not_seen_takes_nothing() -> None:
    network = opened_app()
    bob = network.bob
    bob.chain_view_age_s = 10**6
    assert isinstance(refusal_of(network), ChainViewStale)
    bob.chain_view_age_s = 0
    bob.feed(commands.CloseChannel(APP_CHANNEL))
    assert isinstance(refusal_of(network), ChannelClosing)
    with pytest.raises(ChannelClosing):
        require_running(Draft(bob.state, bob.context()), bob.channel(APP_CHANNEL))
