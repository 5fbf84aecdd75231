"""What a checkpoint shows of a state that we signed and nobody answered (ADR 0068)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import inputs
from protocols.channel import Channel, is_supported, supported_final
from protocols.crypto import SECP256K1_ORDER
from protocols.inputs import ChainLog
from protocols.objectives.base import ObjectiveType
from tests.support.actors import ALICE, Actor
from tests.support.builders import chain_log
from tests.support.ledger_rig import LEDGER, ledger_at, open_ledger_command, opened_ledger
from tests.support.network import CHANNEL, CoreNode, Network, opened
from tests.support.playbook import names

FINAL_TURN = 2


def shown(channel: Channel, turn_num: int, *signatures: bytes) -> ChainLog:
    """A checkpoint with the channel's state of that turn."""
    turn = channel.turn(turn_num)
    assert turn is not None
    return chain_log(
        "CheckpointSigned",
        50,
        confirmed=False,
        channel_id=channel.channel_id,
        turn_num=turn_num,
        candidate_state_hash=turn.state_hash,
        signatures=signatures,
    )


def signature(channel: Channel, turn_num: int, by: Actor) -> bytes:
    turn = channel.turn(turn_num)
    assert turn is not None
    return by.signer(turn.state_hash)


def with_postfund_unanswered() -> tuple[Network, CoreNode, CoreNode]:
    """Both deposited; one signed the postfund, and the other said nothing after that."""
    network = Network(depth=0)
    network.alice.feed(open_ledger_command())
    pair = (network.alice, network.bob)
    for _ in range(100):
        for node in pair:
            channel = node.state.channels.get(LEDGER)
            if channel is not None and channel.signed_by_me(1) and not is_supported(channel, 1):
                return network, node, network.other(node)
        for node in pair:
            if network.waiting(node):
                network.deliver(node)
                network.acknowledge(network.other(node))
                break
            if network.work_on_chain(node) or network.hear_of_chain(node):
                break
        else:
            network.chain.mine()
    raise AssertionError("the postfund was never signed by one alone")


def test_a_postfund_signed_for_the_chain_alone_opens_the_ledger() -> None:
    _, node, other = with_postfund_unanswered()
    channel = node.channel(LEDGER)
    assert channel.ledger is None
    node.feed(chain_log("Checkpointed", 50, confirmed=False, channel_id=LEDGER, number=1))
    answer = node.feed(shown(channel, 1, bytes(65), signature(channel, 1, other.actor)))
    assert "state-received" in names(answer)
    assert ledger_at(node).turn_num == 1
    node.feed(inputs.ExitChannel(LEDGER))
    assert node.submissions[-1].kind == "challenge"
    assert node.fold().channels == node.state.channels


def test_a_final_state_signed_for_the_chain_alone_concludes_the_ledger() -> None:
    network = opened_ledger()
    alice, bob = network.alice, network.bob
    alice.feed(inputs.CloseChannel(LEDGER))
    channel = alice.channel(LEDGER)
    assert supported_final(channel) is None
    given = signature(channel, FINAL_TURN, bob.actor)
    # Whoever hides behind the other s that ecrecover takes is found as well.
    s = SECP256K1_ORDER - int.from_bytes(given[32:64], "big")
    hidden = given[:32] + s.to_bytes(32, "big") + bytes((55 - given[64],))
    number = FINAL_TURN
    alice.feed(chain_log("Checkpointed", 50, confirmed=False, channel_id=LEDGER, number=number))
    log = shown(channel, FINAL_TURN, hidden)
    assert "state-received" in names(alice.feed(log))
    final = supported_final(alice.channel(LEDGER))
    assert final is not None
    assert final.signatures[1] == given
    assert alice.objective(ObjectiveType.DIRECT_DEFUND, LEDGER).is_active
    assert names(alice.feed(replace(log, confirmed=True))) == []


@pytest.mark.parametrize("count", [0, 1])
def test_a_signature_of_nobody_else_adds_nothing(count: int) -> None:
    _, node, other = with_postfund_unanswered()
    channel = node.channel(LEDGER)
    own = signature(channel, 1, node.actor)
    log = shown(channel, 1, *(bytes(65), b"", own)[: 3 * count])
    assert names(node.feed(log)) == []
    theirs = signature(channel, 1, other.actor)
    wrong = replace(shown(channel, 1, theirs), candidate_state_hash=bytes(32))
    assert names(node.feed(wrong)) == []
    assert not is_supported(node.channel(LEDGER), 1)


def test_only_ledgers_are_looked_at() -> None:
    network = opened(depth=0)
    channel = network.bob.channel(CHANNEL)
    log = shown(channel, 1, signature(channel, 1, ALICE))
    assert names(network.bob.feed(log)) == []
    assert names(network.bob.feed(replace(log, channel_id=bytes(32)))) == []
