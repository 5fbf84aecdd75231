"""What a halt changes in a channel."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols.adjudication import Adjudicated
from protocols.channel import Halt
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.halt_reducers import halted, lifted, word_read
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.builders import CHANNEL, DEPOSIT
from tests.support.network import opened

HALT = Halt(1, DEPOSIT, "open")
EVENT = ChannelHalted(CHANNEL, 1, 5, ZERO_ADDRESS, amount_to_bytes(DEPOSIT), "open")


def test_a_halt_forgets_which_logs_counted_and_remembers_what_they_came_to() -> None:
    channel = halted(opened().alice.channel(), EVENT)
    assert (channel.halt, channel.unread, channel.confirmed_up_to) == (HALT, True, (1, -1))
    assert lifted(channel, ChannelHaltLifted(CHANNEL, 1)).halt is None


def test_of_two_halts_the_first_ones_figures_stand() -> None:
    channel = halted(opened().alice.channel(), EVENT)
    again = halted(channel, replace(EVENT, fork_block_num=3, held=amount_to_bytes(0)))
    assert again.halt == Halt(3, DEPOSIT, "open")


KEPT = Adjudicated(3, 9)


@pytest.mark.parametrize(
    ("status", "known", "halt", "finalizes_at", "after"),
    [
        ("open", None, None, 0, ("open", None)),
        ("open", None, None, 9, ("challenged", Adjudicated(0, 9))),
        ("concluded", KEPT, None, 0, ("concluded", KEPT)),
        ("concluded", KEPT, HALT, 0, ("open", None)),
        ("concluded", KEPT, HALT, 9, ("concluded", KEPT)),
        ("challenged", KEPT, HALT, 8, ("challenged", Adjudicated(0, 8))),
    ],
)
def test_a_reading_tells_the_status_and_after_a_halt_also_that_nothing_stands(
    status: str,
    known: Adjudicated | None,
    halt: Halt | None,
    finalizes_at: int,
    after: tuple[str, Adjudicated | None],
) -> None:
    channel = replace(opened().alice.channel(), chain_status=status, adjudicated=known, halt=halt)
    assert word_read(channel, finalizes_at) == after
