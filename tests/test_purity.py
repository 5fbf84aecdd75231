"""What proves a crank pure in the core's tests would see it if it were not."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.builders import CHANNEL
from tests.support.network import opened
from tests.support.purity import Purity


def test_a_state_that_stays_is_kept_however_often_it_is_noted() -> None:
    state, purity = opened().bob.state, Purity()
    for _ in range(2):
        purity.note(state)
        assert purity.is_kept(state)


@pytest.mark.parametrize("is_noted_before", [False, True])
def test_a_change_inside_of_what_a_state_holds_is_seen(is_noted_before: bool) -> None:
    state, purity = opened().bob.state, Purity()
    for _ in range(1 + is_noted_before):
        purity.note(state)
    channel = state.channels[CHANNEL]
    msgspec.structs.force_setattr(channel, "close_only", not channel.close_only)
    assert not purity.is_kept(state)


def test_what_is_gone_or_new_is_seen() -> None:
    network, purity = opened(), Purity()
    purity.note(network.bob.state)
    assert not purity.is_kept(network.alice.state)
    del network.bob.state.channels[CHANNEL]
    assert not purity.is_kept(network.bob.state)
