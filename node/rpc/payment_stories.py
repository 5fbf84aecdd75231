"""Explanations: the story of a payment, what proves it, and where it stands now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from node.answers import PaymentAnswer
from node.explain.standing import Standing, failure_of
from node.explain.steps import Story
from node.explain.story import Cast, Fact, Step
from node.explain.words import amount_words, short_bytes
from node.rpc.bounds import LOG_READ_SLICE_COUNT
from node.rpc.interface import NodeApi
from node.rpc.params import Hash32Text, MomentText, Params, parse_hash32
from node.rpc.results import AddressOut, AmountOut, At, Hash32Out
from node.rpc.scene import Scene, scene_at
from protocols import events, payment_events
from protocols.errors import UnknownPayment
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.types import ChannelId, PaymentId, amount_from_bytes, checksum_address, to_hex

_OPENINGS = (ObjectiveType.DIRECT_FUND, ObjectiveType.VIRTUAL_FUND)
_Settled = events.ChannelConcluded | events.WithdrawCompleted
_CLOSING_COUNT_MAX = 512
"""Records of a channel behind the first of its closing that are looked through for payouts."""
_Batch = payment_events.BatchIssued | payment_events.BatchReceived


class PaymentExplainParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which payment's story to tell."""

    payment_id: Hash32Text
    at: MomentText | None = None
    """The moment to tell it as of; now unless given."""


class Payout(Struct, frozen=True, gc=False):
    """What the chain paid to one party of the payment's channel, seen deep enough to count."""

    seq: int
    recipient: AddressOut
    amount: AmountOut
    transaction_hash: Hash32Out | None


class PaymentStory(Struct, frozen=True, gc=False):
    """What happened to a payment, and what proves it."""

    payment_id: Hash32Out
    channel_id: Hash32Out
    direction: Literal["sent", "received", "refused"]
    """refused: a payment to us that we did not accept."""
    asset: AddressOut
    amount: AmountOut | None
    """Null for one that we refused: only its voucher's total is known."""
    memo: str
    voucher_total: AmountOut
    """Cumulative amount of the voucher that covers it: what the chain would pay the payee."""
    voucher_signature: str | None
    """The payer's, 65 bytes in 0x hex; null for a payment that we refused."""
    receipt_seq: int | None
    """The record of the payee's receipt over it."""
    payouts: list[Payout]
    """Of its channel, once that is closed: one payment alone is never paid out."""
    standing: Standing
    steps: list[Step]
    at: At


async def payment_explain(node: NodeApi, p: PaymentExplainParams) -> PaymentStory:
    """A payment's story; `UnknownPayment` if the log has none."""
    payment_id = parse_hash32("payment_id", p.payment_id)
    scene = await scene_at(node, p.at)
    own = list(scene.facts((payment_id,), 0, LOG_READ_SLICE_COUNT))
    answer = scene.payment(payment_id)
    if answer is not None:
        return _payment_story(scene, payment_id, answer, own)
    refused = [f for f in own if isinstance(f.event, events.VoucherRefused)]
    if not refused:
        raise UnknownPayment(payment_id)
    return _refused_story(scene, payment_id, refused)


def _payment_story(
    scene: Scene, payment_id: PaymentId, answer: PaymentAnswer, own: list[Fact]
) -> PaymentStory:
    cast = scene.cast(answer.channel_id)
    facts = {fact.seq: fact for fact in own}
    if any(isinstance(fact.event, payment_events.PaymentListed) for fact in own):
        facts |= {fact.seq: fact for fact in _batch(scene, answer)}
    if answer.receipt is not None:
        receipt = scene.facts((answer.channel_id,), answer.receipt.seq, 1)
        facts |= {fact.seq: fact for fact in receipt}
    paid_out = _payouts(scene, answer.channel_id)
    facts |= {fact.seq: fact for fact in paid_out}
    story = Story(cast, tells_each=True)
    for seq in sorted(facts):
        story.add(facts[seq])
    return PaymentStory(
        to_hex(payment_id),
        to_hex(answer.channel_id),
        "sent" if answer.is_ours else "received",
        checksum_address(cast.asset),
        str(answer.amount),
        answer.memo,
        str(answer.total),
        to_hex(answer.signature),
        None if answer.receipt is None else answer.receipt.seq,
        [_payout(fact) for fact in paid_out if isinstance(fact.event, events.WithdrawCompleted)],
        _payment_standing(scene, cast, answer, own),
        story.steps(),
        At(scene.view.seq),
    )


def _payouts(scene: Scene, channel_id: ChannelId) -> list[Fact]:
    """How the channel was settled on the chain: nothing if it was not, or has no money there."""
    goals = [objective_id(kind, channel_id) for kind in ObjectiveType if kind not in _OPENINGS]
    begun = [fact.seq for goal in goals for fact in scene.facts((goal,), 0, 1)]
    if not begun:
        return []
    # Nothing is paid once a channel is being closed: what follows in it is little.
    closing = scene.facts((channel_id,), min(begun), _CLOSING_COUNT_MAX)
    return [fact for fact in closing if isinstance(fact.event, _Settled)]


def _payout(fact: Fact) -> Payout:
    event = fact.event
    assert isinstance(event, events.WithdrawCompleted)
    return Payout(
        fact.seq,
        checksum_address(event.recipient),
        str(amount_from_bytes(event.amount)),
        None if event.tx_hash is None else to_hex(event.tx_hash),
    )


def _batch(scene: Scene, answer: PaymentAnswer) -> list[Fact]:
    """The record of the list that a payment is of: it stands right behind the list's payments."""
    facts = scene.facts((answer.channel_id,), answer.seq, LOG_READ_SLICE_COUNT)
    return [fact for fact in facts if isinstance(fact.event, _Batch)][:1]


def _payment_standing(
    scene: Scene, cast: Cast, answer: PaymentAnswer, own: Sequence[Fact]
) -> Standing:
    failures = [
        failure_of(fact.event.error_code, fact.event.reason, fact.seq)
        for fact in own
        if isinstance(fact.event, events.VoucherRefusalReceived)
    ]
    total = amount_words(cast.asset, answer.total)
    proof = f"The voucher for {total} covers it: with it the payee can be paid on chain, alone."
    if answer.receipt is not None:
        paid = f"The payee signed for it (record {answer.receipt.seq}). {proof}"
        return Standing("receipted", paid, [], [], _look(answer))
    if not answer.is_ours:
        return Standing("received", f"We accepted it. {proof}", [], [], _look(answer))
    if failures:
        what = f"The payee refused it, so it is sent again, and counts as spent. {proof}"
        return Standing("refused", what, [], failures, _look(answer))
    what = f"It left, or will when the payee is reached; its receipt is awaited. {proof}"
    return Standing("sent", what, [], [], _look(answer))


def _look(answer: PaymentAnswer) -> list[str]:
    return [f"tally explain {short_bytes(answer.channel_id)}"]


def _refused_story(scene: Scene, payment_id: PaymentId, refused: Sequence[Fact]) -> PaymentStory:
    event = refused[-1].event
    assert isinstance(event, events.VoucherRefused)
    cast = scene.cast(event.channel_id)
    story = Story(cast, tells_each=True)
    for fact in refused:
        story.add(fact)
    failures = [failure_of(event.error_code, event.reason, refused[-1].seq)]
    what = "We did not accept it and told the payer why; she may send it again."
    return PaymentStory(
        to_hex(payment_id),
        to_hex(event.channel_id),
        "refused",
        checksum_address(cast.asset),
        None,
        "",
        str(int.from_bytes(event.total, "big")),
        None,
        None,
        [],
        Standing("refused", what, [], failures, []),
        story.steps(),
        At(scene.view.seq),
    )
