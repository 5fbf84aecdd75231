"""What a checkpoint shows of a state that we signed and nobody answered (ADR 0068)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands
from protocols.channel import (
    POSTFUND_TURN,
    REDEMPTION_TURN,
    Channel,
    is_supported,
    supported_final,
)
from protocols.crypto import SECP256K1_ORDER
from protocols.exit_calls import redemption
from protocols.inputs import ChainLog
from protocols.objectives.base import ObjectiveType
from protocols.payment_errors import ChannelClosing
from protocols.signed_state import SignedState
from protocols.types import ChannelId
from protocols.voucher import sign_voucher
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import DEPOSIT, chain_log, open_command
from tests.support.ledger_rig import LEDGER, ledger_at, open_ledger_command, opened_ledger
from tests.support.network import CHANNEL, CoreNode, Network, opened, pay
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


def with_postfund_unanswered(
    channel_id: ChannelId = LEDGER,
) -> tuple[Network, CoreNode, CoreNode]:
    """The money is there; one signed the postfund, and the other said nothing after that."""
    network = Network(depth=0)
    network.alice.feed(open_ledger_command() if channel_id == LEDGER else open_command())
    pair = (network.alice, network.bob)
    for _ in range(100):
        for node in pair:
            channel = node.state.channels.get(channel_id)
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
    node.feed(commands.ExitChannel(LEDGER))
    assert node.submissions[-1].kind == "challenge"
    assert node.fold().channels == node.state.channels


def test_a_final_state_signed_for_the_chain_alone_concludes_the_ledger() -> None:
    network = opened_ledger()
    alice, bob = network.alice, network.bob
    alice.feed(commands.CloseChannel(LEDGER))
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


# --- payment channels ---


def proved(network: Network, amount: int, *, hidden: bool = False) -> ChainLog:
    """BOB's checkpoint of its redemption of a voucher; `hidden` by the other s of its signature."""
    proof = signed_postfund(network.bob.channel())
    voucher = sign_voucher(CHANNEL, amount, ALICE.signer)
    state = redemption(proof, amount, voucher)
    given = BOB.signer(state.state_hash())
    if hidden:
        s = SECP256K1_ORDER - int.from_bytes(given[32:64], "big")
        given = given[:32] + s.to_bytes(32, "big") + bytes((55 - given[64],))
    return chain_log(
        "CheckpointProved",
        50,
        confirmed=False,
        channel_id=CHANNEL,
        turn_num=REDEMPTION_TURN,
        candidate_state_hash=state.state_hash(),
        signatures=(given,),
        candidate=state.encode(),
        proof=((proof.state.encode(), proof.signatures),),
    )


def signed_postfund(channel: Channel) -> SignedState:
    turn = channel.turn(POSTFUND_TURN)
    assert turn is not None
    return SignedState(channel.state(turn), turn.signatures)


def raised() -> ChainLog:
    """Nitro's own word on it, which comes first."""
    number = REDEMPTION_TURN
    return chain_log("Checkpointed", 50, confirmed=False, channel_id=CHANNEL, number=number)


def paid(amount: int) -> Network:
    network = opened(depth=0)
    pay(network, amount, 1)
    network.settle()
    return network


@pytest.mark.parametrize("hidden", [False, True])
def test_a_redemption_that_was_checkpointed_is_what_the_payer_leaves_with(hidden: bool) -> None:
    network = paid(30)
    alice = network.alice
    alice.feed(raised())
    log = proved(network, 30, hidden=hidden)
    assert names(alice.feed(log)) == ["state-stored", "state-received"]
    # A fork may take the block, not the signature; confirmed it tells nothing new.
    assert names(alice.feed(replace(log, confirmed=True))) == []
    alice.feed(commands.ExitChannel(CHANNEL))
    (order,) = [found for found in alice.submissions if found.kind == "challenge"]
    network.chain.held[CHANNEL] = DEPOSIT
    logs = network.chain.disputes.run(order.data, 1_000, network.chain.held)
    assert logs is not None
    assert (logs[0].log_name, logs[0].turn_num) == ("ChallengeRegistered", REDEMPTION_TURN)
    assert alice.fold().digest() == alice.state.digest()


def test_who_saw_a_redemption_pays_no_more() -> None:
    network = paid(30)
    network.alice.feed(proved(network, 30))
    with pytest.raises(ChannelClosing):
        pay(network, 1, 2)


def test_one_redemption_is_enough_whatever_is_shown_later() -> None:
    network = paid(30)
    first = proved(network, 10)
    network.alice.feed(first)
    assert names(network.alice.feed(proved(network, 30))) == []
    turn = network.alice.channel().turn(REDEMPTION_TURN)
    assert turn is not None
    assert turn.state_hash == first.candidate_state_hash


def test_the_payee_learns_nothing_of_its_own() -> None:
    network = paid(30)
    assert names(network.bob.feed(proved(network, 30))) == []


SPOILT: dict[str, dict[str, Any]] = {
    "no proof": {"proof": ()},
    "two proofs": {"proof": ((b"one", ()), (b"another", ()))},
    "no candidate": {"candidate": b""},
    "the postfund as the candidate": {"candidate": None},
    "nobody's signature": {"signatures": (bytes(65), b"")},
    "the payer's signature": {"signatures": ("payer",)},
}


@pytest.mark.parametrize("fields", SPOILT.values(), ids=SPOILT)
def test_what_is_no_redemption_of_the_payees_leads_to_nothing(fields: dict[str, Any]) -> None:
    network = paid(30)
    log = proved(network, 30)
    if fields.get("candidate", b"") is None:
        fields = {"candidate": signed_postfund(network.bob.channel()).state.encode()}
    if fields.get("signatures") == ("payer",):
        fields = {"signatures": (ALICE.signer(log.candidate_state_hash),)}
    assert names(network.alice.feed(replace(log, **fields))) == []


def test_nobody_is_believed_about_a_ledger_or_a_stranger() -> None:
    network = opened_ledger()
    log = replace(proved(paid(30), 30), channel_id=LEDGER)
    assert names(network.alice.feed(log)) == []
    assert names(network.alice.feed(replace(log, channel_id=bytes(32)))) == []


def test_a_postfund_signed_for_the_chain_alone_opens_a_payment_channel() -> None:
    _, node, other = with_postfund_unanswered(CHANNEL)
    theirs = signature(node.channel(), POSTFUND_TURN, other.actor)
    assert "state-received" in names(node.feed(shown(node.channel(), POSTFUND_TURN, theirs)))
    assert is_supported(node.channel(), POSTFUND_TURN)
    node.feed(commands.ExitChannel(CHANNEL))
    assert node.submissions[-1].kind == "challenge"
    assert node.fold().digest() == node.state.digest()
