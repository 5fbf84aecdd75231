"""After a loss anywhere (M27) no turn is signed twice, and with honest peers everything goes on, or
ends at its true balance."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from node.misbehaviour import REPEAT_COUNT_MAX, RETOLD_COUNT_PER_CHANNEL
from protocols import messages
from protocols.channel import supported_final
from protocols.commands import PayLedger
from protocols.ledger import ledger_state
from protocols.peer_sessions import is_loss, shared_channel_count
from protocols.types import ChannelId
from tests.support.lost_records import head_of
from tests.support.restored_web import RestoredWeb, paid_by_final
from tests.support.soak import times
from tests.support.web import WebNode

HONEST_COUNT = 40
CARRIER_FORGOTTEN = 103
"""A payee forgot which ledger carries its channel, and the views told nobody what it was paid."""
LYING_COUNT = 20
LIES = ("hides", "older-head", "forged-head", "unsigned", "silent")


def after_a_loss(seed: int) -> RestoredWeb:
    """A story, and one or two who forgot its end."""
    web = RestoredWeb(seed)
    web.tell()
    count = 2 if web.random.random() < 0.25 else 1
    for node in web.random.sample(web.row, count):
        web.forget(node)
    return web


def ends_alike(web: RestoredWeb, channel_id: ChannelId, paid: int) -> None:
    for end in (web.payer, web.payee):
        assert paid_by_final(end.channel(channel_id)) == paid, end.actor.name


@pytest.mark.slow
@pytest.mark.parametrize("seed", sorted({*range(times(HONEST_COUNT)), CARRIER_FORGOTTEN}))
def test_with_honest_peers_everything_goes_on_or_ends_at_its_true_balance(seed: int) -> None:
    web = after_a_loss(seed)
    known = {ledger_id: web.agreed_turn(ledger_id) for ledger_id in web.ledgers}
    owed = {channel_id: web.largest(channel_id) for channel_id in (web.direct, *web.virtual)}
    hubs_lost = any(node in web.lost for node in web.row[1:-1])
    were_open = [channel_id for channel_id in web.virtual if web.is_open(channel_id)]
    web.meet()
    web.wait(60_000)
    web.settle()
    web.nobody_equivocated()
    web.books_are_right()
    for ledger_id in web.ledgers:
        web.balances_of(ledger_id)
        assert web.agreed_turn(ledger_id) >= known[ledger_id]
        if not any(node in web.lost for node in web.pair_of(ledger_id)):
            assert web.runs(ledger_id)
    web.close(web.direct)
    ends_alike(web, web.direct, owed[web.direct])
    for channel_id in were_open:
        web.close(channel_id)
        if not hubs_lost:
            ends_alike(web, channel_id, owed[channel_id])
    for ledger_id in web.ledgers:
        _goes_on_or_ends(web, ledger_id)
    web.nobody_equivocated()
    web.books_are_right()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(times(HONEST_COUNT)))
def test_what_honest_peers_say_again_is_less_than_what_they_are_expelled_for(seed: int) -> None:
    web = after_a_loss(seed)
    pairs = [(one, other.actor.address) for one in web.row for other in web.row if one is not other]
    before = [one.peer(peer).repeat_count for one, peer in pairs]
    seen_losses = [
        is_loss(one.state, peer, web.nodes[peer].peer(one.actor.address).received)
        for one, peer in pairs
    ]
    web.meet()
    for (one, peer), count, loss in zip(pairs, before, seen_losses, strict=True):
        per_channel = RETOLD_COUNT_PER_CHANNEL if loss else REPEAT_COUNT_MAX
        allowed = per_channel * max(1, shared_channel_count(one.state, peer))
        assert one.peer(peer).repeat_count - count <= allowed, one.actor.name


def _goes_on_or_ends(web: RestoredWeb, ledger_id: ChannelId) -> None:
    """A ledger that runs takes payments; one without guarantees closes at what both know."""
    agreed = web.balances_of(ledger_id)
    pair = web.pair_of(ledger_id)
    if web.runs(ledger_id) and all(node.ledger(ledger_id).queue == () for node in pair):
        giver = next(n for n in pair if web.exit_value(n, ledger_id) > 0)
        giver.feed(PayLedger(ledger_id, 1, "after all"))
        web.settle()
        after = web.balances_of(ledger_id)
        assert abs(after.leader - agreed.leader) == 1
        agreed = after
    if agreed.guarantees:
        return
    web.close(ledger_id)
    for node in pair:
        channel = node.channel(ledger_id)
        final = supported_final(channel)
        assert final is not None, node.actor.name
        shares = [a.amount for a in channel.state(final).outcome[0].allocations]
        assert shares == [agreed.leader, agreed.follower]


# --- liars ---


def lie(web: RestoredWeb, kind: str, liar: WebNode, victim: WebNode) -> None:
    """From now on the liar hides, or bends, what the victim forgot."""
    (ledger_id,) = web.ledgers
    if kind == "hides":
        # It shows what it knew some time ago, as one who forgot it as well.
        web.roll_back(liar, web.random.randint(0, len(liar._history)))
        web.count_as(liar, victim)
        return

    def told(body: messages.Body) -> messages.Body | None:
        if kind == "silent":
            return None
        if isinstance(body, messages.LedgerResumption):
            if kind == "older-head":
                shorter = web.random.randint(1, len(victim.log) - 1)
                return replace(body, head=head_of(victim, shorter))
            if kind == "forged-head":
                return replace(body, head=replace(head_of(victim), signature=bytes(65)))
        if kind == "unsigned" and isinstance(body, messages.SignedState):
            channel, ledger = liar.channel(ledger_id), liar.ledger(ledger_id)
            richer = replace(
                ledger.current,
                leader=ledger.current.leader + ledger.current.follower * (1 - channel.my_index),
                follower=ledger.current.follower * channel.my_index,
            )
            if channel.my_index:
                richer = replace(
                    richer, leader=0, follower=ledger.current.leader + ledger.current.follower
                )
            state = ledger_state(channel.fixed, ledger.asset, richer, ledger.turn_num + 7)
            signature = liar.actor.signer(state.state_hash())
            return messages.SignedState(ledger_id, state.encode(), signature, signature)
        return body

    web.lies[liar.actor.address] = told


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIES)
@pytest.mark.parametrize("seed", range(times(LYING_COUNT) // len(LIES)))
def test_a_lying_peer_gets_no_second_signature_and_wins_nothing(seed: int, kind: str) -> None:
    web = RestoredWeb(seed + 10_000 * (1 + LIES.index(kind)), 0)
    web.tell()
    (ledger_id,) = web.ledgers
    victim, liar = web.random.sample(web.row, 2)
    before = web.exit_value(victim, ledger_id)
    web.forget(victim)
    held = web.exit_value(victim, ledger_id)
    lie(web, kind, liar, victim)
    web.meet()
    web.wait(60_000)
    web.settle()
    web.nobody_equivocated_of(victim)
    least = min(before, held)
    assert web.exit_value(victim, ledger_id) >= least
    if kind in ("silent", "forged-head"):
        assert victim.channel(ledger_id).close_only
        assert not victim.events_of("ledger-jump-signed")
        assert not victim.events_of("ledger-resumed")
    web.close(ledger_id)
    web.close(web.direct)
    web.nobody_equivocated_of(victim)
    assert web.exit_value(victim, ledger_id) >= least


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(times(5)))
def test_restored_again_and_again_it_signs_no_turn_twice(seed: int) -> None:
    web = RestoredWeb(seed + 70_000, random.Random(seed).randrange(2))
    for _ in range(3):
        web.tell()
        web.forget(web.random.choice(web.row))
        web.meet()
        web.nobody_equivocated()
        web.books_are_right()
    # A payment refused for good closed it, maybe, at a final state that was forgotten since (M13).
    web.close(web.direct)
    paid = [paid_by_final(end.channel(web.direct)) for end in (web.payer, web.payee)]
    assert paid[0] == paid[1]
    assert paid[0] is not None
