"""Which objective closes a channel, and what its final state is.

How two parties agree is told by `test_directdefund` and `test_cut_tails`, how the ends of a path
do by `test_virtualdefund`.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols.channel import Virtual
from protocols.objectives.base import ObjectiveType
from protocols.objectives.closing import final_outcome, kind_of
from tests.support.builders import DEPOSIT, split
from tests.support.network import opened


def test_the_chain_funds_a_channel_that_directdefund_closes() -> None:
    channel = opened().alice.channel()
    assert kind_of(channel) == ObjectiveType.DIRECT_DEFUND
    carried = replace(channel, virtual=Virtual(b"", b"l" * 32, ()))
    assert kind_of(carried) == ObjectiveType.VIRTUAL_DEFUND


def test_a_final_outcome_splits_the_deposit() -> None:
    channel = opened().alice.channel()
    assert final_outcome(channel, 30) == split(30)
    assert sum(share.amount for share in final_outcome(channel, 30)[0].allocations) == DEPOSIT
