"""Rock-paper-scissors as its contract judges it, on the states of a claim that was decoded.

The rules are said in `app_models`; here their claim is made of what the chain's model has.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec import Struct

from protocols.app_data import decode_app_data
from protocols.outcome import Outcome
from protocols.state import State
from protocols.types import Address, ChannelId
from tests.support import nitro_signing
from tests.support.app_models import supports_game
from tests.support.app_states import Claim, Said


class _Played(Struct, frozen=True):
    """What the rules want to know of a channel."""

    actors: tuple[Address, ...]
    channel_id: ChannelId


def is_move_of_game(shown: list[tuple[State, set[Address]]]) -> bool:
    """Whether the contract takes the last of these, `[postfund, (state before,) candidate]`, each
    with its signers."""
    fixed = shown[0][0].fixed
    said = [_said(state, signers) for state, signers in shown]
    played = _Played(fixed.participants, fixed.channel_id())
    before = said[1] if len(said) == 3 else None
    return supports_game(Claim(cast(Any, played), said[-1], said[0], before))


def _said(state: State, signers: set[Address]) -> Said:
    data = decode_app_data(state.app_data)
    fields = (data.count, data.root, data.message, data.reducer_id, state.is_final)
    return Said(state.turn_num, _outcome(state.outcome), cast(Any, tuple(signers)), *fields)


def _outcome(outcome: Outcome) -> nitro_signing.Outcome:
    return [
        (
            "0x" + exit_.asset.hex(),
            (exit_.asset_type, exit_.asset_metadata),
            [(a.destination, a.amount, a.allocation_type, a.metadata) for a in exit_.allocations],
        )
        for exit_ in outcome
    ]
