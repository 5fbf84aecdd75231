"""Exporting a kit: what is signed for it is recorded first, and sealing ends the vouchers (M21)."""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.channel import POSTFUND_TURN, REDEMPTION_TURN, supported_final
from protocols.crypto import recover_address
from protocols.errors import UnknownChannel
from protocols.exit_errors import NothingToLeave
from protocols.exit_events import DisputeKitExported
from protocols.objectives.dispute_export import kit_members, needs_challenge
from protocols.payment_errors import ChannelClosing
from protocols.state import challenge_message
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL
from tests.support.exit_web import ExitWeb
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import Network, opened, pay
from tests.support.web import Web


def paid_network() -> Network:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    return network


def exported(network: Network, *, sealed: bool) -> list[object]:
    return list(network.bob.feed(commands.ExportDisputeKit(CHANNEL, sealed)).events)


def test_the_challengers_signature_is_ours_and_of_the_newest_state() -> None:
    network = paid_network()
    (event,) = network.alice.feed(commands.ExportDisputeKit(CHANNEL)).events
    assert isinstance(event, DisputeKitExported)
    assert (event.channels, event.turn_nums) == ((CHANNEL,), (POSTFUND_TURN,))
    message = challenge_message(event.state_hashes[0])
    assert recover_address(message, event.signatures[0]) == ALICE.address
    assert network.alice.fold().digest() == network.alice.state.digest()


def test_a_payees_unsealed_kit_signs_nothing_and_closes_nothing() -> None:
    network = paid_network()
    (event,) = exported(network, sealed=False)
    assert isinstance(event, DisputeKitExported)
    assert event.channels == ()
    pay(network, 5, 2)
    network.settle()
    assert network.bob.channel().vouchers.total == 35


def test_sealing_signs_the_redemption_before_anything_leaves_and_once_only() -> None:
    network = paid_network()
    first = exported(network, sealed=True)
    names = [type(event).__name__ for event in first]
    assert names == ["StateStored", "StateSigned", "DisputeKitExported"]
    event = first[-1]
    assert isinstance(event, DisputeKitExported)
    assert event.turn_nums == (REDEMPTION_TURN,)
    assert recover_address(challenge_message(event.state_hashes[0]), event.signatures[0]) == (
        BOB.address
    )
    assert exported(network, sealed=True) == [event]


def test_no_voucher_is_taken_after_the_seal() -> None:
    network = paid_network()
    exported(network, sealed=True)
    pay(network, 5, 2)
    network.settle()
    assert network.bob.channel().vouchers.total == 30
    refused = [event.error_code for event in network.bob.events_of("voucher-refused")]
    assert refused[-1] == ChannelClosing.name()


def test_what_nobody_could_leave_is_refused() -> None:
    network = Network()
    with pytest.raises(UnknownChannel):
        network.bob.feed(commands.ExportDisputeKit(CHANNEL))
    network = paid_network()
    network.bob.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    with pytest.raises(NothingToLeave):
        network.bob.feed(commands.ExportDisputeKit(CHANNEL))


def test_a_channel_with_a_final_state_of_all_needs_no_challenge() -> None:
    network = opened_ledger()
    channel = network.alice.channel(LEDGER)
    assert needs_challenge(channel)
    network.alice.feed(commands.CloseChannel(LEDGER))
    while network.waiting(network.alice) or network.waiting(network.bob):
        for node in (network.alice, network.bob):
            while network.waiting(node):
                network.deliver(node)
                network.acknowledge(network.other(node))
    channel = network.alice.channel(LEDGER)
    assert supported_final(channel) is not None
    assert not needs_challenge(channel)
    (event,) = network.alice.feed(commands.ExportDisputeKit(LEDGER)).events
    assert event.channels == ()


def members(web: Web, place: int, channel_id: bytes) -> set[bytes]:
    node = web.row[place]
    return {found.channel_id for found in kit_members(node.state, node.channel(channel_id))}


def test_the_ledgers_on_our_side_and_what_they_carry_go_along() -> None:
    web = ExitWeb(2)
    first = web.opened(300, 1_000)
    second = web.open(1_000, entropy=b"next")
    web.settle()
    assert members(web, 0, first) == {first, second, web.ledgers[0]}
    assert members(web, 1, first) == {first, second, *web.ledgers[:2]}
    # A payee who was never paid has nothing to win there.
    assert members(web, 3, first) == {first, web.ledgers[2]}
    assert members(web, 3, web.ledgers[2]) == {first, web.ledgers[2]}
