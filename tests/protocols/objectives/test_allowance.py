"""Allowances: one turn at a time for each token, exactly what is missing, and never one too few."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.abi import encode_approve_call, encode_deposit_call
from protocols.channel import ChannelStatus, status
from protocols.effects import SubmitTransaction
from protocols.nonce import channel_nonce
from protocols.objectives.allowance import missing_share
from protocols.objectives.base import WaitingFor
from protocols.transactions import APPROVE, DEPOSIT, RETRY_AFTER_MS, TransactionStatus, intent_id
from protocols.types import ChannelId, amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import (
    ADJUDICATOR,
    CHAIN_ID,
    block_hash,
    deposited,
    fixed_part,
    open_command,
    proposal,
    signed,
    split,
    state,
    tx_hash,
)
from tests.support.ledger_rig import (
    FOLLOWER_AMOUNT,
    LEADER_AMOUNT,
    LEDGER,
    open_ledger_command,
)
from tests.support.network import CoreNode, Network, Said, pay
from tests.support.playbook import Playbook

TOKEN, OTHER_TOKEN = b"\x70" * 20, b"\x71" * 20
NEEDED = 10**18
ENTROPIES = (b"abcd", b"efgh")
FIRST, SECOND = (
    fixed_part(channel_nonce=channel_nonce(CHAIN_ID, ADJUDICATOR, entropy)).channel_id()
    for entropy in ENTROPIES
)


def payer(*entropies: bytes, asset: bytes = TOKEN) -> CoreNode:
    """ALICE with a token channel for each entropy, the prefunds signed by both."""
    alice = CoreNode(ALICE)
    alice.assets = frozenset((TOKEN, OTHER_TOKEN))
    for entropy in entropies or ENTROPIES[:1]:
        open_token(alice, entropy, asset)
    return alice


def open_token(alice: CoreNode, entropy: bytes, asset: bytes) -> None:
    known = set(alice.state.channels)
    alice.feed(open_command(asset=asset, nonce_entropy=entropy))
    (channel_id,) = set(alice.state.channels) - known
    fixed = alice.channel(channel_id).fixed
    prefund = state(0, fixed=fixed, outcome=split(asset=asset))
    alice.feed(Said(BOB, signed(prefund, BOB)))


def mined(
    kind: str, attempt: int = 0, channel_id: ChannelId = FIRST, *, succeeded: bool = True
) -> inputs.TransactionReceipt:
    intent = intent_id(kind, channel_id, attempt)
    return inputs.TransactionReceipt(intent, tx_hash(1), 1, block_hash(1), 50_000, 1, succeeded)


def refused(kind: str, attempt: int, channel_id: ChannelId = FIRST) -> inputs.TransactionRefused:
    return inputs.TransactionRefused(intent_id(kind, channel_id, attempt), "Could not transfer")


def after_a_pause(alice: CoreNode) -> None:
    alice.now_ms += 100 * RETRY_AFTER_MS
    alice.feed(inputs.Tick())


def orders(alice: CoreNode) -> list[tuple[str, bytes, bytes]]:
    """(kind, to, data) of everything asked of the chain, in order."""
    assert all(order.value == bytes(32) for order in alice.submissions)
    return [(order.kind, order.to, order.data) for order in alice.submissions]


def approval(amount: int, token: bytes = TOKEN) -> tuple[str, bytes, bytes]:
    return APPROVE, token, encode_approve_call(ADJUDICATOR, amount)


def deposit(amount: int, held: int = 0, channel_id: ChannelId = FIRST) -> tuple[str, bytes, bytes]:
    return DEPOSIT, ADJUDICATOR, encode_deposit_call(TOKEN, channel_id, held, amount)


def test_a_token_is_approved_and_deposited_once_that_is_mined() -> None:
    alice = CoreNode(ALICE)
    alice.assets = frozenset((TOKEN,))
    alice.feed(open_command(asset=TOKEN))
    prefund = state(0, outcome=split(asset=TOKEN))
    data = encode_approve_call(ADJUDICATOR, NEEDED)
    identity = intent_id(APPROVE, FIRST, 0)
    assert (
        Playbook(alice)
        >> Said(BOB, signed(prefund, BOB))
        << "message-received, state-received, state-supported-updated"
        << "transaction-requested, objective-cranked"
        << SubmitTransaction(identity, APPROVE, TOKEN, amount_to_bytes(0), data)
        << "wait token-allowance"
        >> inputs.Tick()
        >> mined(APPROVE)
        << "transaction-mined, transaction-requested, objective-cranked"
        << "submit deposit, wait my-deposit"
        >> mined(DEPOSIT)
        << "transaction-mined, wait my-deposit"
    )
    assert orders(alice) == [approval(NEEDED), deposit(NEEDED)]


def test_a_token_channel_opens_when_the_token_is_held() -> None:
    alice = payer()
    alice.feed(mined(APPROVE))
    alice.feed(deposited(NEEDED, confirmed=False))
    assert not alice.channel(FIRST).signed_by_me(1)
    alice.feed(deposited(NEEDED, asset=TOKEN))
    assert alice.channel(FIRST).signed_by_me(1)
    postfund = state(1, outcome=split(asset=TOKEN))
    alice.feed(Said(BOB, signed(postfund, BOB)))
    assert status(alice.channel(FIRST)) == ChannelStatus.OPEN


def test_exactly_what_is_missing_is_approved() -> None:
    alice = CoreNode(ALICE)
    alice.assets = frozenset((TOKEN,))
    alice.feed(open_command(asset=TOKEN))
    alice.feed(deposited(7, confirmed=False, asset=TOKEN))
    alice.feed(Said(BOB, signed(state(0, outcome=split(asset=TOKEN)), BOB)))
    assert orders(alice) == [approval(NEEDED - 7)]


def test_a_deposit_that_failed_once_needs_no_second_approval() -> None:
    alice = payer()
    alice.feed(mined(APPROVE))
    alice.feed(refused(DEPOSIT, 0))
    alice.feed(deposited(5, confirmed=False, asset=TOKEN))
    after_a_pause(alice)
    assert orders(alice)[2:] == [deposit(NEEDED - 5, 5)]


def test_a_deposit_under_way_is_not_disturbed_by_another_approval() -> None:
    alice = payer()
    alice.feed(mined(APPROVE))
    alice.feed(refused(DEPOSIT, 0))
    after_a_pause(alice)
    before = orders(alice)
    after_a_pause(alice)
    alice.feed(mined(DEPOSIT, 1))
    after_a_pause(alice)
    assert orders(alice) == before


def test_a_deposit_that_failed_twice_is_approved_anew_from_zero() -> None:
    alice = payer()
    alice.feed(mined(APPROVE))
    for attempt in (0, 1):
        alice.feed(refused(DEPOSIT, attempt))
        after_a_pause(alice)
    alice.feed(mined(APPROVE, 1))
    alice.feed(mined(APPROVE, 2))
    again = [approval(0), approval(NEEDED), deposit(NEEDED)]
    assert orders(alice) == [approval(NEEDED), deposit(NEEDED), deposit(NEEDED), *again]


def test_a_refused_approval_is_tried_again_from_zero() -> None:
    alice = payer()
    alice.feed(refused(APPROVE, 0))
    assert alice.feed(inputs.Tick()).events == ()
    after_a_pause(alice)
    alice.feed(mined(APPROVE, 1, succeeded=False))
    after_a_pause(alice)
    alice.feed(mined(APPROVE, 2))
    again = [approval(0), approval(NEEDED), deposit(NEEDED)]
    assert orders(alice) == [approval(NEEDED), *again]


def test_channels_of_one_token_take_turns() -> None:
    alice = payer(*ENTROPIES)
    assert orders(alice) == [approval(NEEDED)]
    alice.feed(mined(APPROVE))
    after_a_pause(alice)
    assert orders(alice)[1:] == [deposit(NEEDED)]
    alice.feed(mined(DEPOSIT))
    alice.feed(deposited(NEEDED, confirmed=False, asset=TOKEN))
    alice.feed(inputs.Tick())
    alice.feed(mined(APPROVE, 0, SECOND))
    assert orders(alice)[2:] == [approval(NEEDED), deposit(NEEDED, channel_id=SECOND)]


def test_a_channel_that_cannot_go_on_gives_its_turn_away() -> None:
    alice = payer(*ENTROPIES)
    alice.feed(refused(APPROVE, 0))
    alice.feed(inputs.Tick())
    assert orders(alice) == [approval(NEEDED)] * 2
    alice.feed(mined(APPROVE, 0, SECOND))
    after_a_pause(alice)
    assert orders(alice)[2:] == [deposit(NEEDED, channel_id=SECOND)]


@pytest.mark.parametrize(
    "fact",
    [
        deposited(NEEDED, confirmed=False, asset=TOKEN, channel_id=FIRST),
        refused(DEPOSIT, 0),
    ],
    ids=["a stranger deposited everything", "the deposit failed"],
)
def test_a_mined_approval_that_nothing_uses_holds_up_nobody(fact: inputs.Input) -> None:
    alice = payer(*ENTROPIES)
    alice.feed(mined(APPROVE))
    alice.feed(fact)
    if isinstance(fact, inputs.ChainLog):
        alice.feed(refused(DEPOSIT, 0))
    alice.feed(inputs.Tick())
    assert orders(alice)[-1] == approval(NEEDED)
    assert alice.submissions[-1].intent_id == intent_id(APPROVE, SECOND, 0)


def test_channels_of_two_tokens_do_not_wait_for_each_other() -> None:
    alice = payer()
    open_token(alice, ENTROPIES[1], OTHER_TOKEN)
    assert orders(alice) == [approval(NEEDED), approval(NEEDED, OTHER_TOKEN)]


def test_an_owner_may_withdraw_while_only_the_approval_is_under_way() -> None:
    alice = payer(*ENTROPIES)
    objective = next(o for o in alice.state.objectives_of(FIRST))
    alice.feed(commands.RejectObjective(objective.objective_id))
    alice.feed(inputs.Tick())
    assert alice.submissions[-1].intent_id == intent_id(APPROVE, SECOND, 0)


def test_a_fork_that_takes_the_approval_back_is_waited_out() -> None:
    alice = payer()
    signed_bytes = inputs.TransactionSigned(
        intent_id(APPROVE, FIRST, 0), tx_hash(1), ALICE.address, 0, b"raw"
    )
    alice.feed(signed_bytes)
    alice.feed(mined(APPROVE))
    alice.feed(refused(DEPOSIT, 0))
    alice.feed(inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1)))
    approved = alice.state.transactions[intent_id(APPROVE, FIRST, 0)]
    assert approved.status == TransactionStatus.SUBMITTED
    after_a_pause(alice)
    assert len(alice.submissions) == 2
    alice.feed(mined(APPROVE))
    assert len(alice.submissions) == 3


def test_what_is_missing_is_never_more_than_our_share() -> None:
    alice = payer()
    channel = alice.channel(FIRST)
    assert missing_share(channel) == NEEDED
    assert missing_share(replace(channel, my_index=1)) == 0
    alice.feed(deposited(NEEDED + 1, asset=TOKEN))
    assert missing_share(alice.channel(FIRST)) == 0


def test_a_replay_knows_whose_turn_it_is() -> None:
    alice = payer(*ENTROPIES)
    replayed = alice.fold()
    assert replayed.approvers.get(TOKEN) == FIRST
    assert replayed.digest() == alice.state.digest()


def test_the_first_unmet_condition_is_told() -> None:
    alice = payer()
    assert alice.feed(mined(APPROVE, succeeded=False)).waiting_for == WaitingFor.TOKEN_ALLOWANCE


def test_a_token_channel_is_opened_paid_in_and_closed() -> None:
    network = Network()
    for node in network.nodes.values():
        node.assets = frozenset((TOKEN,))
    network.alice.feed(open_command(asset=TOKEN))
    network.settle()
    for number in (1, 2, 3):
        pay(network, 10, number)
        network.settle()
    network.bob.feed(commands.CloseChannel(FIRST))
    network.settle()
    assert network.chain.paid == {ALICE.address: NEEDED - 30, BOB.address: 30}
    assert set(network.chain.allowances.values()) == {0}
    for node in network.nodes.values():
        assert status(node.channel(FIRST)) == ChannelStatus.CLOSED
        paid_out = {(e.asset, e.recipient) for e in node.events_of("withdraw-completed")}
        assert paid_out == {(TOKEN, ALICE.address), (TOKEN, BOB.address)}


def test_fifty_channels_of_one_token_all_open() -> None:
    network = Network(depth=0)
    for node in network.nodes.values():
        node.assets, node.proves_purity = frozenset((TOKEN,)), False
    for number in range(50):
        network.alice.feed(open_command(asset=TOKEN, nonce_entropy=number.to_bytes(4, "big")))
    channels = network.alice.state.channels
    for _ in range(60):
        network.settle()
        network.tick()
    assert {status(channels[channel_id]) for channel_id in channels} == {ChannelStatus.OPEN}
    assert all(order.succeeded for order in network.alice.events_of("transaction-mined"))
    assert len(network.alice.events_of("transaction-requested")) == 100


def test_a_payee_that_does_not_know_the_token_refuses_it_by_name() -> None:
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal(state(0, outcome=split(asset=TOKEN)))))
    (dropped,) = bob.events_of("message-dropped")
    assert "ASSET_NOT_SUPPORTED" in dropped.reason


def test_both_parties_of_a_ledger_approve_and_deposit_their_part_of_a_token() -> None:
    network = Network(depth=0)
    for node in network.nodes.values():
        node.assets = frozenset((TOKEN,))
    network.alice.feed(open_ledger_command(asset=TOKEN))
    network.settle()
    amounts = (LEADER_AMOUNT, FOLLOWER_AMOUNT)
    for node, amount in zip(network.nodes.values(), amounts, strict=True):
        assert status(node.channel(LEDGER)) == ChannelStatus.OPEN
        approve, deposit_ = node.events_of("transaction-requested")
        assert approve.data == encode_approve_call(ADJUDICATOR, amount)
        assert (approve.to, deposit_.kind) == (TOKEN, DEPOSIT)
    assert network.chain.held == {LEDGER: sum(amounts)}
