"""A ledger challenged with its newest state goes on if both parties would have it so (M20)."""

from __future__ import annotations

from typing import Any

import pytest

from protocols import commands, inputs
from protocols.channel import ChannelStatus, status
from protocols.errors import UnknownChannel
from protocols.exit_errors import NotResumable
from protocols.ledger import MOVE
from protocols.objectives.base import ObjectiveType, newest
from protocols.objectives.resuming import is_leaving
from tests.support.builders import CHANNEL, DURATION_S
from tests.support.exit_rig import is_completed, paid_to, step, until, wait_out
from tests.support.exit_web import ExitWeb
from tests.support.ledger_rig import LEADER_AMOUNT, LEDGER, ledger_at, opened_ledger
from tests.support.network import CoreNode, Network, opened

CHALLENGE, DEFEND = ObjectiveType.CHALLENGE, ObjectiveType.DEFEND


def ready() -> Network:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    return network


def who(network: Network, index: int) -> tuple[CoreNode, CoreNode]:
    """The one who challenges, and the other."""
    pair = network.alice, network.bob
    return pair[index], pair[1 - index]


def stands(network: Network) -> bool:
    kept = network.chain.disputes.kept
    return LEDGER in kept and kept[LEDGER].finalizes_at > 0


def challenged_by(network: Network, node: CoreNode, command: inputs.Input) -> None:
    """The other one is away until the challenge stands and is confirmed."""
    node.feed(command)
    until(network, node, lambda: stands(network))
    until(network, node, lambda: node.channel(LEDGER).chain_status == "challenged")


def blocks(network: Network, count: int = 6) -> None:
    """Both are there: they speak, and so many blocks come."""
    for _ in range(count):
        step(network, network.alice, network.bob)
        network.settle()


@pytest.mark.parametrize("index", [0, 1], ids=["the leader", "the follower"])
def test_who_comes_back_resumes_a_ledger_that_was_challenged(index: int) -> None:
    network = ready()
    challenger, other = who(network, index)
    challenged_by(network, challenger, commands.ChallengeChannel(LEDGER))
    network.reconnect()
    blocks(network)
    assert not stands(network)
    for node in (challenger, other):
        assert status(node.channel(LEDGER)) == ChannelStatus.OPEN
        assert ledger_at(node).turn_num == 3
        assert ledger_at(node).current == ledger_at(other).current
        assert node.fold().channels[LEDGER] == node.channel(LEDGER)
    (move,) = (e for e in network.alice.events_of("ledger-update-proposed") if e.turn_num == 3)
    assert (move.kind, any(move.amount)) == (MOVE, False)
    assert is_completed(challenger, CHALLENGE, LEDGER)
    assert is_completed(other, DEFEND, LEDGER)
    # One of them pays for the answer: who was challenged.
    sent = [e.kind for n in (challenger, other) for e in n.events_of("transaction-requested")]
    assert sent.count("checkpoint") == 1
    # The ledger goes on as if nothing had been.
    network.alice.feed(commands.PayLedger(LEDGER, 5, "r2"))
    network.settle()
    assert ledger_at(network.bob).current.leader == LEADER_AMOUNT - 205


@pytest.mark.parametrize("index", [0, 1], ids=["the leader", "the follower"])
def test_who_leaves_signs_nothing_that_would_keep_it(index: int) -> None:
    network = ready()
    leaver, other = who(network, index)
    challenged_by(network, leaver, commands.ExitChannel(LEDGER))
    signed = len(leaver.events_of("ledger-update-signed"))
    network.reconnect()
    blocks(network)
    assert stands(network)
    assert len(leaver.events_of("ledger-update-signed")) == signed
    assert "checkpoint" not in [e.kind for e in other.events_of("transaction-requested")]
    network.chain.pass_time(DURATION_S)
    until(network, leaver, lambda: is_completed(leaver, ObjectiveType.EXIT, LEDGER))
    assert paid_to(network, leaver) == (800, 700)[index]


@pytest.mark.parametrize("command", [commands.ExitChannel, commands.ChallengeChannel])
def test_nothing_is_undone_while_our_challenge_is_not_seen_yet(command: type[Any]) -> None:
    """The leader saw it first, and would clear it with the inverse of its move."""
    network = ready()
    alice, bob = network.alice, network.bob
    if command is commands.ChallengeChannel:
        bob.lose_tail()
    bob.feed(command(LEDGER))
    # Signed, sent and mined; bob hears of it only that it is signed.
    network.work_on_chain(bob)
    network.hear_of_chain(bob)
    network.work_on_chain(bob)
    network.chain.mine()
    assert stands(network)
    while network.hear_of_chain(alice):
        pass
    network.reconnect()
    for _ in range(4):
        for sender in (alice, bob):
            sender.feed(inputs.EndOfBatch())
            while network.waiting(sender):
                network.deliver(sender)
                network.acknowledge(network.other(sender))
    assert [e.turn_num for e in bob.events_of("ledger-update-refused")] == [3]
    assert [e.turn_num for e in bob.events_of("ledger-update-received")][-2:] == [3, 4]
    assert 4 not in [e.turn_num for e in bob.events_of("ledger-update-signed")]


def test_a_follower_that_lost_records_is_not_asked_and_cleared_for_ever() -> None:
    """It refuses the move, and does not sign what undoes it: with every newer state the leader
    could clear its challenge, and it would challenge again (seed 1463)."""
    network = ready()
    bob = network.bob
    challenged_by(network, bob, commands.ChallengeChannel(LEDGER))
    bob.lose_tail()
    network.reconnect()
    blocks(network, 12)
    assert stands(network)
    sent = [e.kind for n in (network.alice, bob) for e in n.events_of("transaction-requested")]
    assert (sent.count("challenge"), sent.count("checkpoint")) == (1, 0)
    network.chain.pass_time(DURATION_S)
    until(network, bob, lambda: is_completed(bob, CHALLENGE, LEDGER))


def test_a_challenged_leader_that_leaves_as_well_proposes_nothing() -> None:
    network = ready()
    challenged_by(network, network.bob, commands.ChallengeChannel(LEDGER))
    network.alice.feed(commands.ExitChannel(LEDGER))
    network.reconnect()
    blocks(network)
    assert ledger_at(network.alice).turn_num == 2
    assert stands(network)


def test_the_challenger_clears_it_itself_when_the_other_one_does_not_in_time() -> None:
    network = ready()
    alice = network.alice
    challenged_by(network, alice, commands.ChallengeChannel(LEDGER))
    network.reconnect()
    # Bob signs, and is gone before a transaction of his leaves.
    for node in (alice, network.bob):
        node.feed(inputs.Tick())
    network.deliver(alice)
    network.bob.feed(inputs.EndOfBatch())
    while network.waiting(network.bob):
        network.deliver(network.bob)
        network.acknowledge(alice)
    assert ledger_at(alice).turn_num == 3
    for _ in range(4):
        step(network, alice)
    assert stands(network)
    alice.now_ms += 500 * DURATION_S
    until(network, alice, lambda: not stands(network))
    until(network, alice, lambda: is_completed(alice, CHALLENGE, LEDGER))
    assert status(alice.channel(LEDGER)) == ChannelStatus.OPEN


def test_a_proposal_is_made_once_and_survives_restarts() -> None:
    network = ready()
    alice = network.alice
    challenged_by(network, alice, commands.ChallengeChannel(LEDGER))
    for _ in range(3):
        network.reconnect()
    assert ledger_at(alice).proposed_turn == 3
    assert alice.fold().channels[LEDGER] == alice.channel(LEDGER)
    assert [len(alice.outbox[peer]) for peer in alice.outbox] == [1]


def test_a_ledger_that_is_closing_is_closed_together_instead() -> None:
    network = ready()
    challenged_by(network, network.bob, commands.ChallengeChannel(LEDGER))
    network.bob.feed(commands.CloseChannel(LEDGER))
    network.alice.feed(commands.CloseChannel(LEDGER))
    network.reconnect()
    blocks(network)
    assert network.chain.disputes.kept[LEDGER].finalizes_at > 0
    assert (paid_to(network, network.alice), paid_to(network, network.bob)) == (800, 700)


def test_who_leaves_signs_what_undoes_a_refused_move_once_it_closes_together() -> None:
    network = ready()
    alice, bob = network.alice, network.bob
    challenged_by(network, bob, commands.ExitChannel(LEDGER))
    network.reconnect()
    blocks(network)
    assert [p.turn_num for p in ledger_at(bob).queue] == [3, 4]
    bob.feed(commands.CloseChannel(LEDGER))
    blocks(network)
    assert (paid_to(network, alice), paid_to(network, bob)) == (800, 700)
    assert status(bob.channel(LEDGER)) == ChannelStatus.CLOSED


def test_a_peer_that_is_not_there_is_asked_nothing() -> None:
    network = ready()
    alice = network.alice
    challenged_by(network, alice, commands.ChallengeChannel(LEDGER))
    for _ in range(3):
        step(network, alice)
    assert ledger_at(alice).queue == ()
    wait_out(network, alice, LEDGER)
    until(network, alice, lambda: is_completed(alice, CHALLENGE, LEDGER))
    assert status(alice.channel(LEDGER)) != ChannelStatus.OPEN


@pytest.mark.parametrize("index", [0, 1], ids=["the leader", "the follower"])
def test_who_left_may_stay_after_all(index: int) -> None:
    network = ready()
    leaver, other = who(network, index)
    challenged_by(network, leaver, commands.ExitChannel(LEDGER))
    network.reconnect()
    blocks(network)
    assert stands(network)
    leaver.feed(commands.ResumeChannel(LEDGER, "stay"))
    leaver.now_ms += 1_000
    blocks(network)
    assert not stands(network)
    for node in (leaver, other):
        assert status(node.channel(LEDGER)) == ChannelStatus.OPEN
    found = newest(leaver.state.objectives, ObjectiveType.EXIT, LEDGER)
    assert found is not None
    assert (found.status, found.success) == ("completed", False)
    assert is_completed(leaver, DEFEND, LEDGER)
    # It may be left again.
    leaver.feed(commands.ExitChannel(LEDGER))
    until(network, leaver, lambda: stands(network))


def test_what_cannot_go_on_is_refused_with_why() -> None:
    def reason(network: Network) -> str:
        with pytest.raises(NotResumable) as refused:
            network.alice.feed(commands.ResumeChannel(LEDGER))
        return refused.value.reason

    network = ready()
    assert reason(network) == "it is neither challenged nor being left"
    challenged_by(network, network.alice, commands.ExitChannel(LEDGER))
    network.alice.feed(commands.CloseChannel(LEDGER))
    assert reason(network) == "it is closing"
    network = ready()
    challenged_by(network, network.alice, commands.ExitChannel(LEDGER))
    network.chain.pass_time(DURATION_S)
    until(network, network.alice, lambda: is_completed(network.alice, CHALLENGE, LEDGER))
    assert reason(network) == "it is expired on chain"
    payments = opened()
    with pytest.raises(NotResumable, match="only a ledger goes on"):
        payments.alice.feed(commands.ResumeChannel(CHANNEL))
    with pytest.raises(UnknownChannel):
        payments.alice.feed(commands.ResumeChannel(LEDGER))


def test_a_ledger_stays_challenged_while_a_channel_that_it_carries_is_left() -> None:
    web = ExitWeb(1)
    channel_id = web.opened(300)
    payer, ledger_id = web.payer, web.ledgers[0]
    payer.feed(commands.ExitChannel(channel_id))
    payer.feed(commands.ChallengeChannel(ledger_id))
    with pytest.raises(NotResumable, match="that it carries is being left"):
        payer.feed(commands.ResumeChannel(ledger_id))
    assert is_leaving(payer.state, payer.channel(ledger_id))
