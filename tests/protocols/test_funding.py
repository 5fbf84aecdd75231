"""M11: a voucher is safe while the money is there, deposited or guaranteed, and undisputed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.channel import Channel, ObservedLog, Virtual
from protocols.draft import Draft
from protocols.funding import carrying_ledger, is_funded, require_safe
from protocols.ledger import Guarantee, LedgerVars, opened
from protocols.outcome import destination_of
from protocols.payment_errors import (
    ChainViewStale,
    ChannelCloseOnly,
    ChannelClosing,
    ChannelDisputed,
    ChannelNotOpen,
    NotAPaymentChannel,
)
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS, ChannelId
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import CHANNEL, CONSENSUS_APP, DEPOSIT, DURATION_S, payment
from tests.support.network import CoreNode, Said
from tests.support.network import opened as opened_network
from tests.support.playbook import names

LEFT, RIGHT = (destination_of(actor.address) for actor in (ALICE, IRENE))


def ledger_channel(participants: tuple[bytes, bytes], *guarantees: Guarantee) -> Channel:
    fixed = FixedPart(participants, 1, CONSENSUS_APP, DURATION_S)
    ledger = opened(ZERO_ADDRESS, bytes(32), (bytes(65), bytes(65)), (DEPOSIT, 0))
    ledger = replace(ledger, current=LedgerVars(DEPOSIT, 0, guarantees))
    return Channel(fixed.channel_id(), fixed, 0, supported_turn=1, ledger=ledger)


GUARANTEE = Guarantee(CHANNEL, DEPOSIT, LEFT, RIGHT)
CARRIER = ledger_channel((ALICE.address, IRENE.address), GUARANTEE)
CARRIED: ChannelId = CARRIER.channel_id


def end_of_virtual(node: CoreNode, carrier: Channel = CARRIER) -> CoreNode:
    """The node's channel as if a ledger carried it, and the chain held nothing for it."""
    is_payer = node.channel().my_index == 0
    sides = (b"", CARRIED) if is_payer else (CARRIED, b"")
    virtual = replace(node.channel(), virtual=Virtual(*sides, ()), holdings=())
    node.state.channels[CHANNEL] = virtual
    node.state.channels[CARRIED] = carrier
    return node


def ends() -> list[CoreNode]:
    network = opened_network()
    return [end_of_virtual(network.alice), end_of_virtual(network.bob)]


def test_a_direct_channel_is_funded_by_its_deposit() -> None:
    alice = opened_network().alice
    assert is_funded(alice.state, alice.channel())
    assert carrying_ledger(alice.state, alice.channel()) is None
    assert not is_funded(alice.state, replace(alice.channel(), holdings=()))


def test_a_virtual_channel_is_funded_by_the_guarantee_in_our_own_ledger() -> None:
    for node in ends():
        assert is_funded(node.state, node.channel())
        assert carrying_ledger(node.state, node.channel()) == CARRIER


@pytest.mark.parametrize(
    "carrier",
    [
        ledger_channel((ALICE.address, IRENE.address)),
        ledger_channel((ALICE.address, IRENE.address), replace(GUARANTEE, target=bytes(32))),
        ledger_channel((ALICE.address, IRENE.address), replace(GUARANTEE, amount=DEPOSIT - 1)),
        replace(CARRIER, ledger=None),
    ],
    ids=["no guarantee", "another channel's", "too small", "not open"],
)
def test_without_the_whole_guarantee_nothing_is_paid_or_accepted(carrier: Channel) -> None:
    network = opened_network()
    alice, bob = (end_of_virtual(node, carrier) for node in (network.alice, network.bob))
    with pytest.raises(ChannelNotOpen):
        alice.feed(commands.SendPayment(CHANNEL, 1, bytes(32)))
    bob.feed(Said(ALICE, payment(10, 10)))
    assert bob.events_of("voucher-refused")[0].error_code == "CHANNEL_NOT_OPEN"


def test_a_carried_channel_takes_payments_and_receipts() -> None:
    alice, bob = ends()
    assert names(alice.feed(commands.SendPayment(CHANNEL, 10, bytes(32)))) == [
        "voucher-issued",
        "send Payment",
    ]
    assert names(bob.feed(Said(ALICE, payment(10, 10)))) == ["voucher-received"]
    assert names(bob.feed(inputs.EndOfBatch())) == ["receipt-issued", "send Receipt"]


def seen(log_name: str) -> ObservedLog:
    return ObservedLog(log_name, 9, bytes(32), bytes(32), 0, ZERO_ADDRESS, 0, 0)


THREATS: list[tuple[Callable[[Channel], Channel], type[Exception]]] = [
    (lambda c: replace(c, observed=(seen("ChallengeRegistered"),)), ChannelDisputed),
    (lambda c: replace(c, observed=(seen("Concluded"),)), ChannelDisputed),
    (lambda c: replace(c, chain_status="challenged"), ChannelDisputed),
    (lambda c: replace(c, close_only=True), ChannelCloseOnly),
]


@pytest.mark.parametrize(("threat", "error"), THREATS)
@pytest.mark.parametrize("which", [CHANNEL, CARRIED], ids=["itself", "its ledger"])
def test_what_threatens_the_channel_or_its_ledger_stops_payments(
    threat: Callable[[Channel], Channel], error: type[Exception], which: ChannelId
) -> None:
    for node in ends():
        require_safe(Draft(node.state, node.context()), node.channel())
        node.state.channels[which] = threat(node.state.channels[which])
        with pytest.raises(error):
            require_safe(Draft(node.state, node.context()), node.channel())


def test_the_view_must_be_young_for_the_ledger_s_challenge_too() -> None:
    quick = replace(CARRIER, fixed=replace(CARRIER.fixed, challenge_duration=3_600))
    alice = end_of_virtual(opened_network().alice, quick)
    alice.chain_view_age_s = 1_200
    require_safe(Draft(alice.state, alice.context()), alice.channel())
    alice.chain_view_age_s = 1_201
    with pytest.raises(ChainViewStale):
        require_safe(Draft(alice.state, alice.context()), alice.channel())


def test_a_payee_that_gives_a_channel_up_takes_no_voucher_any_more() -> None:
    for node in ends():
        channel = node.channel()
        assert channel.virtual is not None
        given_up = replace(channel, virtual=replace(channel.virtual, unwinding=True))
        with pytest.raises(ChannelClosing):
            require_safe(Draft(node.state, node.context()), given_up)


def test_no_voucher_is_signed_or_taken_in_a_ledger() -> None:
    alice = end_of_virtual(opened_network().alice)
    signature = bytes(65)
    for command in (
        commands.SendPayment(CARRIED, 1, bytes(32)),
        commands.SendBatch(CARRIED, (1,), ("",), bytes(28)),
        commands.CreateVoucher(CARRIED, 1, bytes(32)),
        commands.TakeVoucher(CARRIED, 1, signature),
    ):
        with pytest.raises(NotAPaymentChannel):
            alice.feed(command)


def test_a_payment_in_a_ledger_or_to_an_intermediary_is_dropped() -> None:
    bob = opened_network().bob
    between = replace(
        bob.channel(),
        fixed=replace(
            bob.channel().fixed, participants=(ALICE.address, BOB.address, IRENE.address)
        ),
    )
    follower = replace(CARRIER, my_index=1)
    for channel, by in ((between, IRENE), (between, ALICE), (follower, ALICE)):
        bob.state.channels[CHANNEL] = channel
        assert names(bob.feed(Said(by, payment(10, 10)))) == ["message-dropped"]
