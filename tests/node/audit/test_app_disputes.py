"""Disputes over applications in the eyes of the audit: honest records, and what is no state."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from msgspec.structs import replace

from node.audit.apps import AppCheck
from node.audit.kits import KitCheck
from node.audit.states import StateCheck
from protocols import app_events, events
from protocols.app_data import decode_app_data, encode_app_data
from protocols.crypto import keccak256
from protocols.exit_events import DisputeKitExported
from protocols.state import state_from_encoding
from tests.support.app_disputes import (
    GAME,
    game,
    register_other_move,
    say_to_nobody,
    until,
)
from tests.support.app_rig import GAME_APP, app_fixed
from tests.support.audit_cases import History, as_audited, changed, messages, nth
from tests.support.kit_rig import export


@lru_cache
def _histories() -> dict[str, tuple[events.Event, ...]]:
    """ALICE offers one move and shows another; BOB answers on chain, and both export kits."""
    network = game(2)
    alice, bob = network.alice, network.bob
    say_to_nobody(alice)
    network.deliver(alice)
    bob.judge()
    register_other_move(network, alice, 9)
    until(network, lambda: bob.app(GAME).supported.count == 3, bob)
    bob.say(7, channel_id=GAME)
    until(network, lambda: network.chain.disputes.kept[GAME].turn_num == 5, bob)
    export(bob, GAME)
    return {"bob": tuple(as_audited([event for _, event in bob.log]))}


def history() -> History:
    return list(_histories()["bob"])


@pytest.mark.parametrize("check", [AppCheck, StateCheck, KitCheck])
def test_what_an_honest_player_recorded_breaks_no_rule(check: Any) -> None:
    found = [event.NAME for event in history()]
    assert {"app-move-shown", "app-move-taken", "app-move-claimed"} <= set(found)
    assert messages(check, history()) == []


def shown_otherwise(**fields: Any) -> History:
    """The move that was shown, stored with other app data or another turn."""
    stored = [event for event in history() if isinstance(event, events.StateStored)]
    number = len(stored) - 1
    state = state_from_encoding(app_fixed(GAME_APP), stored[-1].encoded_state)
    data = decode_app_data(state.app_data)
    spoilt_data = replace(data, **{k: v for k, v in fields.items() if k in ("count", "reducer_id")})
    spoilt = replace(state, app_data=encode_app_data(spoilt_data))
    if "amount" in fields:
        (exit_,) = spoilt.outcome
        first, last = exit_.allocations
        shares = (replace(first, amount=fields["amount"]), last)
        spoilt = replace(spoilt, outcome=(replace(exit_, allocations=shares),))
    if "app_data" in fields:
        spoilt = replace(spoilt, app_data=fields["app_data"])
    encoded = spoilt.encode()
    changes = {"encoded_state": encoded, "state_hash": keccak256(encoded)}
    return changed(history(), events.StateStored, number, **changes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"count": 9}, "holds 9 messages"),
        ({"reducer_id": bytes(32)}, "of another reducer"),
        ({"amount": 1}, "it pays out"),
        ({"app_data": b"x"}, "no state of this application"),
    ],
)
def test_a_state_on_chain_that_is_none_is_named(fields: dict[str, Any], words: str) -> None:
    found = [message for _, message in messages(StateCheck, shown_otherwise(**fields))]
    assert any(words in message for message in found), found


def test_a_kit_with_another_move_than_the_last_is_named() -> None:
    _, event = nth(history(), DisputeKitExported)
    assert event.turn_nums == (5,)
    for changes in ({"turn_nums": (4,)}, {"state_hashes": (bytes(32),)}):
        found = messages(KitCheck, changed(history(), DisputeKitExported, **changes))
        assert any("not the newest" in message for _, message in found), found


def test_a_move_from_the_chain_with_another_signature_is_named() -> None:
    found = messages(AppCheck, changed(history(), app_events.AppMoveTaken, signature=bytes(65)))
    assert found != []
