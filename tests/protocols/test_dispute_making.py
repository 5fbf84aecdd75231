"""Making a kit: ready calls, signatures as the contracts take them, and none that is outdated."""

from __future__ import annotations

from msgspec.structs import replace

from protocols import commands
from protocols.crypto import recover_address
from protocols.dispute_making import Exported, kit_steps
from protocols.exit_calls import CHALLENGE_SELECTOR, CHECKPOINT_SELECTOR
from protocols.exit_events import DisputeKitExported
from protocols.steps import finished
from protocols.types import from_hex, parse_address
from tests.support.builders import CHANNEL
from tests.support.kit_rig import export
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import CoreNode, opened, pay


def recorded(node: CoreNode, channel_id: bytes) -> Exported:
    event = node.feed(commands.ExportDisputeKit(channel_id)).events[-1]
    assert isinstance(event, DisputeKitExported)
    return Exported(event, 9, b"\x07" * 32, node.now_ms, 2)


def test_a_kit_of_a_ledger_has_both_of_its_calls_and_its_agreed_state() -> None:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    kit = export(network.bob, LEDGER)
    (channel,) = kit.channels
    calls = {call.call: from_hex(call.data)[:4] for call in channel.calls}
    assert calls == {"challenge": CHALLENGE_SELECTOR, "checkpoint": CHECKPOINT_SELECTOR}
    assert [state.turn_num for state in channel.states] == [0, 1, 2]
    assert (kit.made.log_seq, kit.deployment.confirmation_count) == (len(network.bob.log) - 1, 2)
    assert kit.worth is not None
    assert [found.amount for found in kit.worth] == ["700"]


def test_what_a_kit_cannot_do_stands_in_it() -> None:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    words = " ".join(export(network.bob, CHANNEL).limits)
    assert "--channel-key" in words
    assert "sealed" not in words
    words = " ".join(export(network.bob, CHANNEL, sealed=True).limits)
    assert "--channel-key" not in words
    assert "sealed" in words


def test_signatures_carry_the_v_that_recovers_their_signer() -> None:
    network = opened(depth=2)
    spoilt = []
    channel = network.bob.channel()
    for turn in channel.turns:
        # A peer is free to send the other v: against a known key it says nothing (M9).
        first = turn.signatures[0]
        other = first[:64] + bytes((55 - first[64],))
        spoilt.append(replace(turn, signatures=(other, *turn.signatures[1:])))
    network.bob.state.channels[CHANNEL] = replace(channel, turns=tuple(spoilt))
    kit = export(network.bob, CHANNEL)
    for state in kit.channels[0].states:
        for who, signature in zip(kit.channels[0].participants, state.signatures, strict=True):
            found = recover_address(from_hex(state.state_hash), from_hex(signature))
            assert found == parse_address(who)


def test_what_was_signed_for_an_older_state_makes_no_kit() -> None:
    network = opened_ledger()
    exported = recorded(network.bob, LEDGER)
    assert finished(kit_steps(network.bob.state, exported)) is not None
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    assert finished(kit_steps(network.bob.state, exported)) is None
