"""Being paid what is ours: step by step, whoever else calls the adjudicator meanwhile."""

from __future__ import annotations

from msgspec.structs import replace

from protocols import commands, inputs
from protocols.adjudication import exit_of
from protocols.exit_calls import Finalised, transfer_call
from protocols.objectives.base import ObjectiveType, WaitingFor, newest
from protocols.objectives.cranks import waiting_for
from protocols.objectives.withdraw import payable
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit, destination_of
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, CHANNEL, block_hash, chain_log, tx_hash
from tests.support.exit_rig import is_completed, leave, paid_to, until, wait_out
from tests.support.ledger_rig import LEADER_AMOUNT, LEDGER, opened_ledger
from tests.support.model_chain import ModelTransaction
from tests.support.network import Network, opened, pay

WITHDRAW = ObjectiveType.WITHDRAW


def challenged_ledger() -> Network:
    """ALICE challenged the ledger, and nobody answers any more."""
    network = opened_ledger()
    network.alice.feed(commands.ChallengeChannel(LEDGER))
    wait_out(network, network.alice, LEDGER)
    return network


def stranger_transfers(network: Network, *indices: int) -> None:
    """Somebody has shares of the ledger paid out, in the next block."""
    kept = network.chain.disputes.kept[LEDGER]
    data = transfer_call(Finalised(LEDGER, kept.state_hash, kept.outcome), indices)
    name = tx_hash(len(network.chain.blocks), index=4)
    stranger = ModelTransaction(b"", name, b"\x97" * 20, ADJUDICATOR, 0, data)
    network.chain.pool.insert(0, stranger)


def test_only_our_own_share_is_asked_for() -> None:
    network = challenged_ledger()
    until(network, network.alice, lambda: is_completed(network.alice, WITHDRAW, LEDGER))
    assert paid_to(network, network.alice) == LEADER_AMOUNT
    assert paid_to(network, network.bob) == 0


def test_a_stranger_who_pays_out_everything_saves_us_the_transaction() -> None:
    network = challenged_ledger()
    stranger_transfers(network, 0, 1)
    until(network, network.alice, lambda: paid_to(network, network.alice) == LEADER_AMOUNT)
    for _ in range(3):
        network.alice.feed(inputs.Tick())
    sent = [event.kind for event in network.alice.events_of("transaction-requested")]
    assert "transfer" not in sent


def test_a_stranger_in_between_makes_our_call_revert_and_it_is_made_anew() -> None:
    network = challenged_ledger()
    alice = network.alice
    until(network, alice, lambda: alice.channel(LEDGER).chain_status == "expired")
    network.work_on_chain(alice)
    # Ours waits for a block: the other share is paid first, so what ours names does not stand.
    stranger_transfers(network, 1)
    until(network, alice, lambda: is_completed(alice, WITHDRAW, LEDGER))
    assert paid_to(network, alice) == LEADER_AMOUNT
    sent = [e for e in alice.events_of("transaction-requested") if e.kind == "transfer"]
    assert len(sent) == 2


def test_a_fork_that_takes_the_payout_back_has_it_made_again() -> None:
    network = Network(depth=3)
    from tests.support.ledger_rig import open_ledger_command

    network.alice.feed(open_ledger_command())
    network.settle()
    alice = network.alice
    alice.feed(commands.ChallengeChannel(LEDGER))
    wait_out(network, alice, LEDGER)
    until(network, alice, lambda: network.chain.held[LEDGER] < 1_500)
    network.chain.reorg(1, keeps=False)
    until(network, alice, lambda: is_completed(alice, WITHDRAW, LEDGER))
    assert paid_to(network, alice) == LEADER_AMOUNT


def test_who_concluded_without_paying_out_leaves_the_rest_to_us() -> None:
    """Anybody may call `conclude` alone: then nothing is paid until somebody asks."""
    network = opened(depth=0)
    pay(network, 30, 1)
    network.settle()
    alice = network.alice
    alice.feed(commands.CloseChannel(CHANNEL))
    network.deliver(alice)
    network.deliver(network.bob)
    assert [order.kind for order in alice.submissions] == ["conclude"]
    order = alice.submissions.pop()
    concludes = replace(order, data=bytes.fromhex("ee049b50") + order.data[4:])
    alice.submissions.append(concludes)
    until(network, alice, lambda: is_completed(alice, WITHDRAW, CHANNEL))
    assert paid_to(network, alice) == 10**18 - 30
    assert is_completed(alice, ObjectiveType.DIRECT_DEFUND, CHANNEL)


def test_a_restart_in_the_middle_goes_on_from_the_log() -> None:
    network = challenged_ledger()
    alice = network.alice
    until(network, alice, lambda: alice.channel(LEDGER).chain_status == "expired")
    state = alice.fold()
    found = newest(state.objectives, WITHDRAW, LEDGER)
    assert found is not None
    assert found.is_active
    assert waiting_for(state, found, alice.context()) == WaitingFor.WITHDRAWAL
    leave_rest = alice.state
    alice.state = state
    until(network, alice, lambda: is_completed(alice, WITHDRAW, LEDGER))
    assert leave_rest is not alice.state
    assert paid_to(network, alice) == LEADER_AMOUNT


def test_a_forgotten_outcome_waits_until_others_paid_everybody() -> None:
    bob = opened(depth=0).bob
    bob.feed(chain_log("ChallengeRegistered", 9, number=100, turn_num=1))
    bob.feed(inputs.ChainHead(10, block_hash(10), 100))
    found = newest(bob.state.objectives, WITHDRAW, CHANNEL)
    assert found is not None
    assert waiting_for(bob.state, found, bob.context()) == WaitingFor.KNOWN_OUTCOME
    bob.feed(chain_log("AllocationUpdated", 11, amount=0))
    assert is_completed(bob, WITHDRAW, CHANNEL)


def test_earlier_shares_have_priority_and_guarantees_are_never_paid() -> None:
    channel = opened().bob.channel()
    mine, theirs = destination_of(BOB.address), destination_of(ALICE.address)
    shares = (
        Allocation(theirs, 5),
        Allocation(b"\xcc" * 32, 3, GUARANTEE, mine + theirs),
        Allocation(mine, 4),
        Allocation(mine, 0),
    )
    exit_ = SingleAssetExit(ZERO_ADDRESS, shares)
    assert payable(channel, exit_, 100) == [2]
    assert payable(channel, exit_, 9) == [2]
    assert payable(channel, exit_, 8) == []
    assert exit_of(b"") is None


def test_a_channel_that_nothing_of_ours_is_left_in_is_left_alone() -> None:
    network = opened(depth=2)
    pay(network, 10**18, 1)
    network.settle()
    leave(network, network.bob, CHANNEL)
    for _ in range(5):
        until(network, network.alice, lambda: True)
    assert newest(network.alice.state.objectives, WITHDRAW, CHANNEL) is None
