"""A hostile peer: whatever it sends, nothing raises, nothing of a channel changes, all is counted.

The stranger may send every kind of message with any content. The counterparty sends what is well
formed but wrong: forged or transplanted signatures, other amounts, other turns, other channels.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols import commands, messages
from protocols.errors import InvalidEncoding
from protocols.node_state import apply
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.types import UINT48_MAX, amount_to_bytes
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.builders import (
    CHANNEL,
    final,
    fixed_part,
    open_command,
    payment,
    proposal,
    signed,
    split,
    state,
)
from tests.support.network import CoreNode, Said, opened, pay
from tests.support.playbook import names

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)
DEFUND = objective_id(ObjectiveType.DIRECT_DEFUND, CHANNEL)


def fresh() -> CoreNode:
    return CoreNode(ALICE)


def proposing() -> CoreNode:
    alice = fresh()
    alice.feed(open_command())
    return alice


def paying() -> CoreNode:
    network = opened()
    pay(network, 10, 1)
    return network.alice


def paid() -> CoreNode:
    network = opened()
    pay(network, 10, 1)
    network.settle()
    return network.bob


def closing() -> CoreNode:
    alice = paying()
    alice.feed(commands.CloseChannel(CHANNEL))
    return alice


def closed() -> CoreNode:
    network = opened()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    return network.bob


STAGES: dict[str, Callable[[], CoreNode]] = {
    stage.__name__: stage for stage in (fresh, proposing, paying, paid, closing, closed)
}
NODES = {name: stage() for name, stage in STAGES.items()}
"""Built once: every example cranks and throws the answer away."""

stages = st.sampled_from(sorted(NODES))
words = st.binary(min_size=32, max_size=32)
channel_ids = st.just(CHANNEL) | words
amounts = st.integers(0, 2**256 - 1).map(amount_to_bytes) | st.integers(0, 40).map(amount_to_bytes)
turns = st.integers(0, 6) | st.integers(0, UINT48_MAX)
texts = st.text(max_size=40) | st.sampled_from(["CHAIN_VIEW_STALE", "CHANNEL_CLOSING"])
signatures = (
    st.binary(min_size=65, max_size=65)
    | st.binary(min_size=64, max_size=64).map(lambda rs: rs + b"\x1b")
    | st.sampled_from([signed(state(0), IRENE).signature, signed(final(10), IRENE).signature])
)
states = st.builds(
    lambda turn, paid, is_final, data: state(turn, paid, is_final=is_final, app_data=data),
    turns,
    st.integers(0, 40),
    st.booleans(),
    st.sampled_from([b"", b"x"]),
)
encoded_states = st.binary(max_size=700) | states.map(lambda built: built.encode())

proposals = st.builds(
    messages.ChannelProposal,
    st.lists(st.sampled_from([ALICE.address, BOB.address, IRENE.address]), max_size=4).map(tuple),
    st.integers(0, 2**64 - 1) | st.just(fixed_part().channel_nonce),
    st.binary(min_size=20, max_size=20) | st.just(fixed_part().app_definition),
    st.integers(0, UINT48_MAX),
    encoded_states,
    signatures,
)
signed_states = st.builds(messages.SignedState, channel_ids, encoded_states, signatures)
requests = st.builds(messages.FinalStateRequest, channel_ids, amounts, signatures)
refusals = st.builds(messages.FinalStateRefusal, channel_ids, turns, amounts, signatures)
rejections = st.builds(
    messages.ObjectiveRejection, st.sampled_from([FUND, DEFUND]) | words, texts, texts
)
payments = st.builds(
    messages.Payment, channel_ids, words, amounts, amounts, signatures, st.text(max_size=20)
)
unpaid = st.builds(messages.PaymentRefusal, channel_ids, words, amounts, amounts, texts, texts)
receipts = st.builds(
    messages.Receipt, channel_ids, amounts, st.integers(0, 2**63 - 1), words, signatures
)
bodies = st.one_of(
    proposals, signed_states, requests, refusals, rejections, payments, unpaid, receipts
)


def is_from_the_payer(node: CoreNode, by: Actor, body: messages.Body | None) -> bool:
    """A payment in a channel in which that peer pays us: the one that is worth an answer."""
    if not isinstance(body, messages.Payment):
        return False
    channel = node.state.channels.get(body.channel_id)
    return channel is not None and channel.my_index == 1 and channel.counterparty == by.address


def leaves_no_trace(node: CoreNode, by: Actor, body: messages.Body | None) -> None:
    """The message is dropped, or refused as a payment by the channel's payee; it is counted."""
    item = node.resolve(Said(by, body, "no message"))
    result = node.crank(item)
    answer = ["voucher-refused", "send PaymentRefusal"]
    expected = answer if is_from_the_payer(node, by, body) else ["message-dropped"]
    assert names(result) == expected
    after = node.fold()
    for event in result.events:
        apply(after, event, node.now_ms)
    untouched = [
        (after.channels, node.state.channels),
        (after.objectives, node.state.objectives),
        (after.transactions, node.state.transactions),
    ]
    assert all(changed == known for changed, known in untouched)
    received = node.peer(by.address).received
    assert after.peer(by.address).received == received + 1


@pytest.mark.slow
@given(stages, bodies)
@settings(max_examples=400)
def test_a_stranger_changes_nothing_with_any_message(stage: str, body: messages.Body) -> None:
    leaves_no_trace(NODES[stage], IRENE, body)


@pytest.mark.slow
@given(stages, st.one_of(proposals, signed_states, refusals, receipts, payments))
@settings(max_examples=400)
def test_the_counterparty_changes_nothing_with_a_forged_message(
    stage: str, body: messages.Body
) -> None:
    node = NODES[stage]
    peer = BOB if node.actor is ALICE else ALICE
    leaves_no_trace(node, peer, body)


@given(st.sampled_from(["paying", "closing"]), requests)
def test_the_payee_changes_nothing_with_a_forged_voucher(
    stage: str, body: messages.FinalStateRequest
) -> None:
    # Without a voucher it is an honest wish to close.
    assume(body.total != amount_to_bytes(0) or body.channel_id != CHANNEL)
    leaves_no_trace(NODES[stage], BOB, body)


@given(stages, st.sampled_from([ALICE, BOB, IRENE]), st.binary(max_size=300))
def test_random_bytes_end_in_a_dropped_message(stage: str, by: Actor, data: bytes) -> None:
    node = NODES[stage]
    assume(by is not node.actor)
    try:
        body: messages.Body | None = messages.decode_body(data)
    except InvalidEncoding:
        body = None
    leaves_no_trace(node, by, body)


HONEST: dict[str, tuple[str, Actor, messages.Body]] = {
    "prefund": ("proposing", BOB, signed(state(0), BOB)),
    "payment": ("paid", ALICE, payment(20, 10)),
    "final": ("paid", ALICE, signed(final(10), ALICE)),
    "countersigned": ("closing", BOB, signed(final(10), BOB)),
}


@pytest.mark.parametrize("name", HONEST)
def test_the_honest_message_would_be_taken(name: str) -> None:
    stage, by, body = HONEST[name]
    taken = names(STAGES[stage]().feed(Said(by, body)))
    assert taken[0] in ("message-received", "voucher-received")


@pytest.mark.slow
@given(st.sampled_from(sorted(HONEST)), st.data())
@settings(max_examples=300)
def test_an_honest_message_with_a_changed_bit_is_refused(name: str, data: st.DataObject) -> None:
    stage, by, body = HONEST[name]
    field = data.draw(st.sampled_from(sorted({"encoded_state", "signature", "total", "amount"})))
    assume(hasattr(body, field))
    value = bytearray(getattr(body, field))
    position = data.draw(st.integers(0, len(value) - 1))
    value[position] ^= 1 << data.draw(st.integers(0, 7))
    # A voucher's v is not compared (M9): the other one is the same signature.
    assume(
        not (
            name == "payment" and field == "signature" and value[64] in (27, 28) and position == 64
        )
    )
    leaves_no_trace(NODES[stage], by, replace(body, **{field: bytes(value)}))


def test_a_state_of_the_right_form_for_the_wrong_role_is_refused() -> None:
    """The payer signs the final state first: a payee that does is refused, whatever it offers."""
    for paid_out in (0, 10, 11):
        leaves_no_trace(NODES["paying"], BOB, signed(final(paid_out), BOB))


def test_a_signature_transplanted_from_another_state_is_refused() -> None:
    body = signed(final(10), ALICE)
    other = final(11).encode()
    leaves_no_trace(NODES["paid"], ALICE, messages.SignedState(CHANNEL, other, body.signature))


def test_a_proposal_signed_for_another_outcome_is_refused() -> None:
    other = fixed_part(challenge_duration=90_000)
    honest = proposal(state(0, fixed=other))
    richer = state(0, fixed=other, outcome=split(total=5)).encode()
    leaves_no_trace(NODES["paid"], ALICE, replace(honest, encoded_state=richer))
