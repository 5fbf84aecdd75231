"""A ledger after a loss: it goes on, by one move, if both agree on everything, and else not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, events, inputs, messages
from protocols.channel import ChannelStatus, status
from protocols.ledger import RESTORED_TURN_JUMP, ledger_state
from protocols.ledger_events import LedgerUpdateProposed, LedgerUpdateSigned
from protocols.log_head import LogHead
from protocols.recovery import Recovery, recoveries
from protocols.resumption_events import LedgerJumpSigned, LedgerResumed
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.builders import chain_log
from tests.support.ledger_rig import (
    LEDGER,
    LEDGER_FIXED,
    START,
    Verdicts,
    add,
    countersignature,
    judged_by,
    ledger_at,
    move,
    move_back,
    opened_ledger,
    proposal,
    propose,
    result_of,
)
from tests.support.lost_records import head_of, looks_into_its_log, show_heads
from tests.support.network import CoreNode, Network, Said

END = inputs.EndOfBatch()
SIGNING = (LedgerUpdateProposed, LedgerUpdateSigned, LedgerJumpSigned, LedgerResumed)


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    return judged_by(monkeypatch)


@pytest.fixture
def network(verdicts: Verdicts) -> Network:
    made = opened_ledger()
    for node in made.nodes.values():
        looks_into_its_log(node)
    return made


def paid(network: Network, amount: int = 100, name: str = "rent") -> None:
    network.alice.feed(commands.PayLedger(LEDGER, amount, name))
    network.settle()


def come_together(network: Network) -> None:
    network.reconnect()
    network.settle()


def goes_on(network: Network, turn_num: int) -> None:
    """Both resumed at that turn, agree, and can pay each other again."""
    for node in network.nodes.values():
        ledger = ledger_at(node)
        assert (ledger.turn_num, ledger.resumed_turn) == (turn_num, turn_num)
        assert not node.channel(LEDGER).close_only
        assert ledger.resumption is None
        assert node.fold().digest() == node.state.digest()
    before = ledger_at(network.alice).current
    network.alice.feed(commands.PayLedger(LEDGER, 7, f"after {turn_num}"))
    network.bob.feed(commands.PayLedger(LEDGER, 3, f"back {turn_num}"))
    network.settle()
    assert ledger_at(network.alice).current == ledger_at(network.bob).current
    assert ledger_at(network.alice).current == result_of(move(4), start=before)
    nobody_signed_twice(network)


def stays_closed(network: Network, *lost: CoreNode) -> None:
    """Nothing was signed, and who lost records takes no change."""
    for node in lost:
        assert node.channel(LEDGER).close_only
        assert not node.events_of("ledger-resumed")
        assert not node.events_of("ledger-jump-signed")


def nobody_signed_twice(network: Network) -> None:
    for node in network.nodes.values():
        signed: dict[int, bytes] = {}
        for event in (*node.lost, *(event for _, event in node.log)):
            if isinstance(event, SIGNING):
                assert signed.setdefault(event.turn_num, event.state_hash) == event.state_hash


def faults(network: Network) -> list[str]:
    return [e.reason for node in network.nodes.values() for e in node.events_of("message-dropped")]


# --- honest peers ---


@pytest.mark.parametrize("cut", [("alice",), ("bob",), ("alice", "bob")], ids="-".join)
def test_whoever_was_cut_the_ledger_goes_on_at_one_turn(
    cut: tuple[str, ...], network: Network
) -> None:
    paid(network)
    for name in cut:
        getattr(network, name).lose_tail()
    come_together(network)
    goes_on(network, 2 + RESTORED_TURN_JUMP)
    assert faults(network) == []


@pytest.mark.parametrize("cut", ["alice", "bob"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_what_was_forgotten_is_taken_first(cut: str, count: int, network: Network) -> None:
    paid(network, 100, "one")
    paid(network, 50, "two")
    network.cut_tail(getattr(network, cut), count)
    come_together(network)
    goes_on(network, 3 + RESTORED_TURN_JUMP)


@pytest.mark.parametrize("cut", ["alice", "bob"])
def test_after_a_restore_it_goes_on_as_well(cut: str, network: Network) -> None:
    paid(network)
    node: CoreNode = getattr(network, cut)
    node.record(events.NodeRestored(len(node.log), bytes(32), 1, 2**30))
    come_together(network)
    goes_on(network, 2 + RESTORED_TURN_JUMP)


@pytest.mark.parametrize("cut", ["alice", "bob"])
def test_a_second_loss_goes_on_above_the_first(cut: str, network: Network) -> None:
    node: CoreNode = getattr(network, cut)
    for count in (1, 2, 3):
        node.lose_tail()
        come_together(network)
        goes_on(network, ledger_at(node).resumed_turn)
        assert ledger_at(node).resumed_turn > count * RESTORED_TURN_JUMP


@pytest.mark.parametrize("first", ["alice", "bob"])
@pytest.mark.parametrize("second", ["alice", "bob"])
@pytest.mark.parametrize("step_count", range(9))
def test_a_loss_in_the_middle_of_going_on_is_made_good(
    first: str, second: str, step_count: int, network: Network
) -> None:
    paid(network)
    getattr(network, first).lose_tail()
    network.reconnect()
    for _ in range(step_count):
        for node in network.nodes.values():
            if network.waiting(node):
                network.deliver(node)
                network.acknowledge(network.other(node))
                break
    network.cut_tail(getattr(network, second), 1)
    come_together(network)
    turn_num = ledger_at(network.alice).resumed_turn
    assert turn_num % RESTORED_TURN_JUMP == 2
    goes_on(network, turn_num)


def test_what_the_leader_had_proposed_is_undone_before_it_goes_on(
    network: Network, verdicts: Verdicts
) -> None:
    alice, bob = network.alice, network.bob
    propose(alice, add(1))
    alice.feed(commands.PayLedger(LEDGER, 5, "late"))
    bob.lose_tail()
    come_together(network)
    assert ledger_at(alice).current == START
    assert ledger_at(alice).resumed_turn == 5 + RESTORED_TURN_JUMP
    assert [p.request_id for p in ledger_at(alice).refused_payments] == ["late"]
    goes_on(network, 5 + RESTORED_TURN_JUMP)


def test_what_a_leader_forgot_to_have_proposed_is_dropped_by_the_follower(
    network: Network, verdicts: Verdicts
) -> None:
    alice, bob = network.alice, network.bob
    propose(alice, add(1))
    network.deliver(alice)
    alice.state = alice.fold()
    del alice.log[-1:]
    alice.state = alice.fold()
    alice.lose_tail()
    verdicts.default = False
    bob.feed(END)
    assert len(ledger_at(bob).queue) == 1
    come_together(network)
    goes_on(network, 1 + RESTORED_TURN_JUMP)


def test_what_the_follower_had_asked_for_is_not_paid_and_it_reads_so(network: Network) -> None:
    alice, bob = network.alice, network.bob
    bob.feed(commands.PayLedger(LEDGER, 30, "rent"))
    alice.lose_tail()
    network.reconnect()
    network.settle()
    refused = ledger_at(bob).refused_payments
    assert [(p.request_id, p.amount, p.by_leader) for p in refused] == [("rent", 30, False)]
    assert refused[0].error_code in ("LEDGER_UPDATE_FORGOTTEN", "LEDGER_NOT_RUNNING")
    goes_on(network, ledger_at(bob).resumed_turn)


def test_who_lost_nothing_takes_no_change_until_it_goes_on(network: Network) -> None:
    alice, bob = network.alice, network.bob
    bob.lose_tail()
    network.reconnect()
    for index in range(network.waiting(bob)):
        network.deliver(bob, index)
    with pytest.raises(Exception, match="lost records"):
        alice.feed(commands.PayLedger(LEDGER, 1, "x"))
    network.settle()
    goes_on(network, 1 + RESTORED_TURN_JUMP)


def test_one_that_closes_is_not_resumed(network: Network) -> None:
    paid(network)
    network.bob.feed(commands.CloseChannel(LEDGER))
    network.alice.lose_tail()
    come_together(network)
    assert not network.bob.events_of("ledger-resumed")
    for node in network.nodes.values():
        assert status(node.channel(LEDGER)) == ChannelStatus.CLOSED
    assert network.chain.paid == {ALICE.address: 900, BOB.address: 600}


def meet_until_the_leader_moved(network: Network) -> None:
    """The move of 0 is on its way, and nobody answered it."""
    network.reconnect()
    while not network.alice.events_of("ledger-jump-signed"):
        for node in network.nodes.values():
            if network.waiting(node):
                network.deliver(node)
                network.acknowledge(network.other(node))


def test_one_that_closes_while_the_move_is_on_its_way_ends_above_it(network: Network) -> None:
    paid(network)
    network.alice.lose_tail()
    meet_until_the_leader_moved(network)
    network.bob.feed(commands.CloseChannel(LEDGER))
    network.alice.feed(commands.CloseChannel(LEDGER))
    network.settle()
    for node in network.nodes.values():
        assert status(node.channel(LEDGER)) == ChannelStatus.CLOSED
    assert network.chain.paid == {ALICE.address: 900, BOB.address: 600}
    nobody_signed_twice(network)


def test_a_leader_that_lost_nothing_ends_it_above_the_move_that_is_on_its_way(
    network: Network,
) -> None:
    """Found by the simulator: the follower countersigns the move, and then refuses a lower end."""
    paid(network)
    network.bob.lose_tail()
    meet_until_the_leader_moved(network)
    assert not network.alice.events_of("ledger-resumed")
    network.alice.feed(commands.CloseChannel(LEDGER))
    network.settle()
    for node in network.nodes.values():
        assert status(node.channel(LEDGER)) == ChannelStatus.CLOSED
        assert node.channel(LEDGER).turns[-1].turn_num > RESTORED_TURN_JUMP
    assert network.chain.paid == {ALICE.address: 900, BOB.address: 600}
    nobody_signed_twice(network)


# --- heads ---


@pytest.mark.parametrize("cut", ["alice", "bob"])
def test_a_head_that_the_log_contains_does_not_keep_it_closed(cut: str, network: Network) -> None:
    paid(network)
    show_heads(network)
    getattr(network, cut).lose_tail()
    come_together(network)
    goes_on(network, 2 + RESTORED_TURN_JUMP)


@pytest.mark.parametrize("cut", ["alice", "bob"])
def test_a_head_that_the_log_lost_keeps_it_closed_and_it_still_closes(
    cut: str, network: Network
) -> None:
    paid(network, 100, "one")
    node: CoreNode = getattr(network, cut)
    kept = len(node.log)
    paid(network, 50, "two")
    show_heads(network)
    node.lost += [event for _, event in node.log[kept:]]
    del node.log[kept:]
    node.state = node.fold()
    node.outbox = {}
    node.lose_tail()
    come_together(network)
    stays_closed(network, node)
    (compared,) = node.events_of("held-head-compared")
    assert (compared.agrees, compared.explained) == (False, True)
    assert ledger_at(node).current == result_of(move(150))
    node.feed(commands.CloseChannel(LEDGER))
    network.settle()
    assert network.chain.paid == {ALICE.address: 850, BOB.address: 650}
    nobody_signed_twice(network)


def test_a_peer_that_holds_no_head_gets_what_one_gets_that_shows_the_head_we_tell_it(
    network: Network,
) -> None:
    """Each connection tells the peer our newest head, so to hold none hides nothing more (M27)."""
    paid(network)
    alice = network.alice
    alice.lose_tail()
    network.reconnect()
    lost = alice.state
    signed = []
    for head in (None, head_of(alice)):
        alice.state = alice.fold()
        assert alice.state.digest() == lost.digest()
        count = len(alice.log)
        alice.feed(Said(BOB, told(2, (move(100),), head)))
        signed.append(alice.events_of("ledger-jump-signed"))
        del alice.log[count:]
    assert len(signed[0]) == 1
    assert signed[0] == signed[1]


@pytest.mark.parametrize("way", ["note", "answer"])
@pytest.mark.parametrize("later", ["none", "older"])
def test_who_showed_a_head_that_was_lost_and_then_shows_none_does_not_agree(
    way: str, later: str, network: Network
) -> None:
    """What was shown once is not taken back by silence, nor by the next loss (M27)."""
    paid(network)
    alice = network.alice
    before, count = head_of(alice, 3), len(alice.log)
    alice.feed(inputs.PeerHead(BOB.address, head_of(network.bob)))
    lost = head_of(alice)
    del alice.log[count:]
    alice.state = alice.fold()
    alice.lose_tail()
    network.reconnect()
    if way == "note":
        alice.feed(inputs.HeldHead(BOB.address, lost, False))
    else:
        alice.feed(Said(BOB, told(2, (move(100),), lost)))
    head = None if later == "none" else before
    for _ in range(2):
        alice.feed(Said(BOB, told(2, (move(100),), head)))
        stays_closed(network, alice)
        (found,) = recoveries(alice.state)
        assert found.recovery == Recovery.DISAGREES
        alice.lose_tail()
        network.reconnect()


# --- lying peers ---


def told(
    turn_num: int, changes: tuple[Any, ...] = (), by_head: LogHead | None = None, **fields: Any
) -> messages.LedgerResumption:
    state = ledger_state(LEDGER_FIXED, ZERO_ADDRESS, result_of(*changes), turn_num)
    body = messages.LedgerResumption(LEDGER, turn_num, state.state_hash(), True, by_head)
    return replace(body, **fields)


def jump(changes: tuple[Any, ...], turn_num: int, by: Actor = ALICE, **fields: Any) -> Any:
    body = proposal(move(0), result_of(*changes), turn_num, by)
    return replace(body, **fields)


@pytest.fixture
def lost_leader(network: Network) -> CoreNode:
    """Alice lost records after a payment of 100, and asked Bob."""
    paid(network)
    network.alice.lose_tail()
    network.reconnect()
    return network.alice


@pytest.fixture
def lost_follower(network: Network) -> CoreNode:
    paid(network)
    network.bob.lose_tail()
    network.reconnect()
    return network.bob


@pytest.mark.parametrize(
    ("turn_num", "changes"),
    [(1, ()), (3, (move(100), move(1))), (2, (move(99),)), (2, (move(100), add(1)))],
)
def test_a_leader_signs_nothing_unless_the_peer_says_the_same(
    turn_num: int, changes: tuple[Any, ...], lost_leader: CoreNode, network: Network
) -> None:
    lost_leader.feed(Said(BOB, told(turn_num, changes)))
    stays_closed(network, lost_leader)
    lost_leader.feed(Said(BOB, told(2, (move(100),))))
    assert len(lost_leader.events_of("ledger-jump-signed")) == 1


def test_a_forged_head_is_a_fault_and_nothing_is_signed(
    lost_leader: CoreNode, network: Network
) -> None:
    forged = replace(head_of(lost_leader), signature=head_of(network.bob).signature)
    lost_leader.feed(Said(BOB, told(2, (move(100),), forged)))
    stays_closed(network, lost_leader)
    assert "INVALID_SIGNATURE" in faults(network)[-1]


def test_a_head_of_another_history_keeps_the_leader_from_signing(
    lost_leader: CoreNode, network: Network
) -> None:
    held = head_of(lost_leader, len(lost_leader.log) - 1)
    lost_leader.log.pop()
    lost_leader.lose_tail()
    other = replace(held, length=held.length)
    assert lost_leader.context().has_head(other.length, other.root)
    lost_leader.log[-2:] = lost_leader.log[-1:]
    lost_leader.state = lost_leader.fold()
    network.reconnect()
    lost_leader.feed(Said(BOB, told(2, (move(100),), held)))
    stays_closed(network, lost_leader)


def test_a_leader_jumps_once_however_often_it_is_told(
    lost_leader: CoreNode, network: Network
) -> None:
    for _ in range(3):
        lost_leader.feed(Said(BOB, told(2, (move(100),))))
    assert len(lost_leader.events_of("ledger-jump-signed")) == 1
    lost_leader.feed(Said(BOB, countersignature(2 + RESTORED_TURN_JUMP, result_of(move(99)))))
    assert lost_leader.channel(LEDGER).close_only
    assert "COUNTERSIGNATURE_WRONG" in faults(network)[-1]
    good = countersignature(2 + RESTORED_TURN_JUMP, result_of(move(100)))
    lost_leader.feed(Said(BOB, good))
    assert not lost_leader.channel(LEDGER).close_only


def test_until_the_move_is_countersigned_nothing_else_is_signed(
    lost_leader: CoreNode, network: Network
) -> None:
    lost_leader.feed(Said(BOB, told(2, (move(100),))))
    with pytest.raises(Exception, match="lost its end"):
        lost_leader.feed(commands.PayLedger(LEDGER, 1, "x"))
    assert ledger_at(lost_leader).queue == ()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (jump((move(100),), 2 + RESTORED_TURN_JUMP, IRENE), "PROPOSAL_SIGNATURE_WRONG"),
        (jump((move(99),), 2 + RESTORED_TURN_JUMP), "PROPOSAL_SIGNATURE_WRONG"),
        (jump((move(100),), 1 + RESTORED_TURN_JUMP), "LEDGER_TURN_WRONG"),
        (jump((move(100),), 3 + RESTORED_TURN_JUMP), "LEDGER_TURN_WRONG"),
        (jump((move(100),), 2 + 2 * RESTORED_TURN_JUMP), "LEDGER_TURN_WRONG"),
        (proposal(move(1), result_of(move(101)), 2 + RESTORED_TURN_JUMP), "PROPOSAL_NOT_EXPECTED"),
        (
            proposal(move_back(0), result_of(move(100)), 2 + RESTORED_TURN_JUMP),
            "PROPOSAL_NOT_EXPECTED",
        ),
        (
            jump((move(100),), 2 + RESTORED_TURN_JUMP, request_id="rent"),
            "PROPOSAL_NOT_EXPECTED",
        ),
    ],
)
def test_a_follower_signs_no_other_move(
    body: Any, name: str, lost_follower: CoreNode, network: Network
) -> None:
    lost_follower.feed(Said(ALICE, told(2, (move(100),))))
    lost_follower.feed(Said(ALICE, body))
    lost_follower.feed(END)
    stays_closed(network, lost_follower)
    assert faults(network)[-1].startswith(name)
    lost_follower.feed(Said(ALICE, jump((move(100),), 2 + RESTORED_TURN_JUMP)))
    assert not lost_follower.channel(LEDGER).close_only


def test_a_follower_signs_no_move_of_a_leader_that_said_nothing(
    lost_follower: CoreNode, network: Network
) -> None:
    lost_follower.feed(Said(ALICE, jump((move(100),), 2 + RESTORED_TURN_JUMP)))
    stays_closed(network, lost_follower)
    assert faults(network)[-1].startswith("LEDGER_TURN_WRONG")


def test_nobody_makes_a_move_who_was_not_asked(network: Network) -> None:
    paid(network)
    network.bob.feed(Said(ALICE, jump((move(100),), 2 + RESTORED_TURN_JUMP)))
    assert faults(network)[-1].startswith("LEDGER_TURN_WRONG")
    assert not network.bob.events_of("ledger-resumed")


def test_a_challenged_ledger_is_not_resumed(lost_leader: CoreNode, network: Network) -> None:
    challenged = chain_log("ChallengeRegistered", 9, confirmed=False, channel_id=LEDGER, number=5)
    lost_leader.feed(challenged)
    lost_leader.feed(Said(BOB, told(2, (move(100),))))
    stays_closed(network, lost_leader)


def test_a_ledger_that_is_not_open_is_not_spoken_of(network: Network) -> None:
    fresh = Network()
    fresh.bob.feed(Said(ALICE, told(2)))
    assert faults(fresh)[-1].startswith("UNKNOWN_CHANNEL")


# --- what the chain shows ---


def test_a_move_that_the_follower_signed_for_the_chain_alone_resumes_it(network: Network) -> None:
    paid(network)
    alice = network.alice
    alice.lose_tail()
    network.reconnect()
    while not alice.events_of("ledger-jump-signed"):
        for node in (alice, network.bob):
            if network.waiting(node):
                network.deliver(node)
                network.acknowledge(network.other(node))
            node.feed(END)
    (jumped,) = alice.events_of("ledger-jump-signed")
    number = jumped.turn_num
    alice.feed(chain_log("Checkpointed", 50, confirmed=False, channel_id=LEDGER, number=number))
    log = chain_log(
        "CheckpointSigned",
        50,
        confirmed=False,
        channel_id=LEDGER,
        turn_num=number,
        candidate_state_hash=jumped.state_hash,
        signatures=(ALICE.signer(jumped.state_hash),),
    )
    alice.feed(log)
    assert not alice.events_of("ledger-resumed"), "nobody else signed it"
    theirs = BOB.signer(jumped.state_hash)
    alice.feed(replace(log, candidate_state_hash=bytes(32), signatures=(theirs,)))
    assert not alice.events_of("ledger-resumed"), "that is another state"
    alice.feed(replace(log, signatures=(bytes(65), theirs)))
    assert ledger_at(alice).turn_num == number
    alice.feed(commands.ExitChannel(LEDGER))
    assert alice.submissions[-1].kind == "challenge"
    assert alice.fold().digest() == alice.state.digest()
