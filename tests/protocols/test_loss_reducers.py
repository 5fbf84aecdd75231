"""Folding a loss: every channel is restricted, whatever told of it, and what is shown again too."""

from __future__ import annotations

import pytest

from protocols import events
from protocols.ledger import Guarantee, LedgerVars, Resumption, ledger_state, parties
from protocols.ledger_events import LedgerRestored
from protocols.resumption_events import HeldHeadCompared
from protocols.types import ChannelId
from tests.support.actors import ALICE, BOB
from tests.support.ledger_rig import LEDGER, ledger_at, opened_ledger
from tests.support.network import CoreNode, opened
from tests.support.web import Web

HEAD = (9, b"\x11" * 32, b"\x22" * 65)


@pytest.mark.parametrize(
    ("event", "kept_count"),
    [
        (events.LogTailCut(40, 5, "000001.log"), 40),
        (events.NodeRestored(30, bytes(32), 1, 7), 30),
        (HeldHeadCompared(BOB.address, *HEAD, False, False), 0),
    ],
    ids=["cut", "restored", "proved"],
)
def test_a_loss_restricts_every_channel(event: events.Event, kept_count: int) -> None:
    network = opened_ledger()
    alice = network.alice
    alice.record(event)
    assert alice.channel(LEDGER).close_only
    proved = isinstance(event, HeldHeadCompared)
    assert ledger_at(alice).resumption == Resumption(is_head_lost=proved)
    assert alice.state.node.tail_cut_count == 1
    assert alice.state.node.kept_count == kept_count


def test_what_a_peer_agrees_with_restricts_nothing() -> None:
    alice = opened().alice
    alice.record(HeldHeadCompared(BOB.address, *HEAD, True, True))
    assert not alice.channel().close_only
    peer = alice.peer(BOB.address)
    assert (peer.compared_cut, peer.lost_root) == (0, b"")


def test_what_a_known_loss_explains_is_remembered_of_the_peer_alone() -> None:
    alice = opened().alice
    alice.lose_tail()
    alice.record(HeldHeadCompared(BOB.address, *HEAD, False, True))
    peer = alice.peer(BOB.address)
    assert (peer.compared_cut, peer.lost_root) == (1, HEAD[1])
    assert alice.state.node.tail_cut_count == 1


def shown_with_a_guarantee(web: Web, channel_id: ChannelId) -> LedgerRestored:
    """A state of the payer's ledger that both had signed, with the channel's guarantee."""
    (ledger_id,) = web.ledgers
    payer = web.payer
    channel, ledger = payer.channel(ledger_id), payer.ledger(ledger_id)
    left, right = parties(channel.fixed)
    guarantee = Guarantee(channel_id, 1_000, left, right)
    vars_ = LedgerVars(ledger.current.leader - 1_000, ledger.current.follower, (guarantee,))
    state = ledger_state(channel.fixed, ledger.asset, vars_, 5)
    state_hash = state.state_hash()
    signatures = (ALICE.signer(state_hash), BOB.signer(state_hash))
    return LedgerRestored(ledger_id, state_hash, state.encode(), *signatures)


def test_a_channel_whose_guarantee_is_shown_again_may_only_be_closed() -> None:
    """Who forgot it signs nothing in it that it may have signed otherwise before."""
    web = Web(0)
    payer = web.payer
    first, second = web.open(), web.open(entropy=b"more")
    payer.record(shown_with_a_guarantee(web, first))
    assert payer.channel(first).close_only
    assert not payer.channel(second).close_only
    assert payer.fold().digest() == payer.state.digest()


def test_a_channel_told_after_its_guarantee_may_only_be_closed_too() -> None:
    web = Web(0)
    payer, channel_id = web.payer, web.open()
    told = [event for _, event in payer.log]
    opening = next(n for n, e in enumerate(told) if getattr(e, "channel_id", b"") == channel_id)
    again = CoreNode(ALICE)
    before = told[1:opening]
    cut = events.LogTailCut(opening, 1, "1.log")
    for event in [*before, cut, shown_with_a_guarantee(web, channel_id), *told[opening:]]:
        again.record(event)
    assert again.channel(channel_id).close_only
