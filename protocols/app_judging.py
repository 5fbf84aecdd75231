"""Judging: what the reducer says of a run becomes our signature, our refusal or a halt (M24).

The reducer runs in the shell, on the view of the channel: `plan` says on what, and what it said
comes back as the input `AppJudged`. Nothing is signed that our own reducer did not take in, nor
from the first message on that the other end's came to something else after (ADR 0097).
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from protocols import app_events, app_offering, app_shown, messages
from protocols.app_channel import (
    Answer,
    App,
    AppPoint,
    Asked,
    Due,
    ListedRefusal,
    after,
    due,
    input_of,
    may_claim,
    message_of,
)
from protocols.app_reducers import app_of, my_end
from protocols.app_rules import must_wait, offer_refusal
from protocols.app_talk import is_theirs, state_of
from protocols.channel import Channel, funding_terms
from protocols.draft import Context, Draft
from protocols.entities import NodeState
from protocols.inputs import AppJudged, AppVerdict
from protocols.state import hash_of_encoding
from protocols.types import Address, Bytes32, ChannelId, amount_to_bytes

VERDICT_DIFFERS = "VERDICT_DIFFERS"
"""One reducer took a message in and the other did not, or for another reason."""
STATE_DIFFERS = "STATE_DIFFERS"
"""The other end's signature is under another state: the payouts are not the same, or a lie."""
DIGEST_DIFFERS = "DIGEST_DIFFERS"
"""The views hold different rows."""


class AppRun(Struct, frozen=True, gc=False):
    """Messages for the reducer of a channel, to be applied to its view after `base_count`."""

    channel_id: ChannelId
    reducer_id: Bytes32
    base_count: int
    inputs: tuple[bytes, ...]
    """As the reducer is given them."""
    deposits: tuple[int, int]
    """What each end paid in: payouts always sum to both."""
    may_be_cut: bool = False
    """Whether so many of the first may be judged alone: the rest is offered again."""
    expected: tuple[bytes, ...] = ()
    """What the other end's view came to after each of them: the run ends with the first that is
    refused or comes to something else, which leaves no trace. Empty: nothing is known."""
    is_offer: bool = False
    """Whether these are ours and nobody was told of them: they may still be taken back."""
    stamp_ms: int = 0
    """The timestamp that they are given, Unix milliseconds."""
    asked_by: Address = b""
    """The peer who wants them judged; empty where we do, or where both said them already."""


def plan(state: NodeState, channel_id: ChannelId, context: Context) -> AppRun | None:
    """What the reducer is to run on now; None if the channel's work needs no reducer."""
    channel, draft = state.channels[channel_id], Draft(state, context)
    app, mine = app_of(channel), my_end(channel)
    match due(app, mine):
        case Due.ANSWER:
            assert app.answer is not None, "it is due"
            queued = app.queue[: app.answer.decided_count]
            return _run(channel, mine, app.offered_ms, tuple(one.payload for one in queued))
        case Due.MOVE:
            sender, move = _lone_move(app, mine)
            return _run(channel, sender, 0, (move,), may_be_cut=True)
        case Due.ASKED:
            assert app.asked is not None, "it is due"
            if _has_other_view(app) or offer_refusal(draft, channel) is not None:
                return None
            asked = app.asked
            how = {"may_be_cut": True, "expected": asked.digests, "asked_by": channel.counterparty}
            return _run(channel, 1 - mine, asked.timestamp_ms, asked.payloads, **how)
        case Due.QUEUE if app_offering.may_speak(draft, channel):
            stamp_ms = app_offering.stamp_of_offer(draft, app)
            payloads = app_offering.payloads_to_offer(app)
            return _run(channel, mine, stamp_ms, payloads, may_be_cut=True, is_offer=True)
        case _:
            return None


def _run(
    channel: Channel, sender: int, timestamp_ms: int, payloads: tuple[bytes, ...], **how: Any
) -> AppRun:
    app = app_of(channel)
    given = (
        input_of(app, channel.channel_id, sender, timestamp_ms, payload) for payload in payloads
    )
    first, last = funding_terms(channel).deposits
    return AppRun(
        channel.channel_id,
        app.reducer_id,
        app.tip.count,
        tuple(given),
        (first, last),
        stamp_ms=timestamp_ms,
        **how,
    )


def _has_other_view(app: App) -> bool:
    """Whether the other end tells of the same messages another digest than ours."""
    asked = app.asked
    assert asked is not None, "the caller looked"
    return asked.base_count == app.tip.count and bool(
        asked.digest and app.tip.digest and asked.digest != app.tip.digest
    )


def judge(draft: Draft, item: AppJudged) -> None:
    """The reducer ran, or had nothing to run on: go on with the channel's offer or answer."""
    channel = draft.state.channels[item.channel_id]
    app, mine = app_of(channel), my_end(channel)
    if item.base_count != app.tip.count:
        return
    match due(app, mine):
        case Due.ANSWER:
            assert app.answer is not None, "it is due"
            _judge_answer(draft, channel, app.answer, item.verdicts)
        case Due.MOVE:
            _judge_move(draft, channel, item.verdicts)
        case Due.ASKED:
            assert app.asked is not None, "it is due"
            _judge_asked(draft, channel, app.asked, item.verdicts)
        case Due.QUEUE:
            app_offering.offer(draft, channel, item)


def _lone_move(app: App, mine: int) -> tuple[int, bytes]:
    """Whose move is to be made without the other's answer, and the move; empty if none is."""
    if app.is_settled and app.shown:
        return 1 - mine, app.shown
    if app.is_settled and may_claim(app, mine):
        return mine, app.queue[0].payload
    return mine, b""


def _judge_move(draft: Draft, channel: Channel, verdicts: tuple[AppVerdict, ...]) -> None:
    """A move for the chain, or from it: our signature makes ours count, theirs counts already.

    Theirs we do not sign: what they offered in its place we may have (M6).
    """
    app = app_of(channel)
    sender, move = _lone_move(app, my_end(channel))
    names = (app.queue[0].message_id,) if sender == my_end(channel) else ()
    (verdict,) = verdicts
    last = _last_applied(channel, verdicts)
    if last is None or sender == my_end(channel):
        _take_in(draft, channel, sender, 0, ((move, verdict),), names)
        if last is not None:
            _sign(draft, channel.channel_id, last)
            app_shown.see(draft, draft.state.channels[channel.channel_id])
        return
    point = replace(after(app.tip, move, 0), amounts=last.amounts, digest=last.digest)
    state_hash, turn = _hash_of(channel, point), channel.turn(point.turn_num)
    if turn is None or turn.state_hash != state_hash:
        halt(draft, channel, STATE_DIFFERS, f"amounts {list(last.amounts)}", "another on chain")
        return
    _take_in(draft, channel, sender, 0, ((move, verdict),), ())
    amounts = tuple(map(amount_to_bytes, last.amounts))
    signature = turn.signatures[-1 if sender else 0]
    taken = (channel.channel_id, point.turn_num, state_hash, signature, amounts, last.digest)
    draft.emit(app_events.AppMoveTaken(*taken))


def _judge_asked(
    draft: Draft, channel: Channel, asked: Asked, verdicts: tuple[AppVerdict, ...]
) -> None:
    app = app_of(channel)
    if _has_other_view(app):
        halt(draft, channel, DIGEST_DIFFERS, app.tip.digest.hex(), asked.digest.hex())
        return
    if must_wait(draft, channel):
        return
    refusal = offer_refusal(draft, channel)
    if refusal is not None:
        _answer(draft, channel, (), 0, refusal.name())
        return
    assert 1 <= len(verdicts) <= len(asked.payloads), "one verdict a message, as far as it ran"
    agreed_count = _agreed_count(asked.digests, verdicts)
    if agreed_count == 0 and verdicts[0].is_applied:
        halt(draft, channel, DIGEST_DIFFERS, verdicts[0].digest.hex(), asked.digests[0].hex())
        return
    # The first that comes to something else is offered again, and is then the first of its run.
    _judge_offer(draft, channel, asked, verdicts[: max(1, agreed_count)])


def _agreed_count(expected: tuple[bytes, ...], verdicts: tuple[AppVerdict, ...]) -> int:
    """How many of the first verdicts are the other end's as well."""
    pairs = zip(expected, verdicts, strict=False)
    differing = (place for place, (digest, v) in enumerate(pairs) if v.digest != digest)
    return next(differing, len(verdicts))


def _judge_offer(
    draft: Draft, channel: Channel, asked: Asked, verdicts: tuple[AppVerdict, ...]
) -> None:
    sender = 1 - my_end(channel)
    run = tuple(zip(asked.payloads, verdicts, strict=False))
    refusals = _take_in(draft, channel, sender, asked.timestamp_ms, run, ())
    last = _last_applied(channel, verdicts)
    if last is not None:
        _sign(draft, channel.channel_id, last)
    _answer(draft, draft.state.channels[channel.channel_id], refusals, len(verdicts), "")
    app_shown.see(draft, draft.state.channels[channel.channel_id])


def _take_in(
    draft: Draft,
    channel: Channel,
    sender: int,
    timestamp_ms: int,
    run: tuple[tuple[bytes, AppVerdict], ...],
    names: tuple[bytes, ...],
) -> tuple[ListedRefusal, ...]:
    """Record what became of each message of a run; those that were refused."""
    app, refusals = app_of(channel), list[ListedRefusal]()
    people = channel.fixed.participants
    who = people[0] if sender == 0 else people[-1]
    stamp_ms, count = 0 if app.is_judged else timestamp_ms, app.tip.count
    for place, (payload, verdict) in enumerate(run):
        name = names[place] if names else b""
        if not verdict.is_applied:
            draft.emit(
                app_events.AppMessageRefused(
                    channel.channel_id, who, verdict.code, verdict.failure, name
                )
            )
            refusals.append(ListedRefusal(place, verdict.code, verdict.failure))
            continue
        count += 1
        message = message_of(app, sender, timestamp_ms, payload)
        draft.emit(
            app_events.AppMessageApplied(channel.channel_id, count, who, stamp_ms, message, name)
        )
    return tuple(refusals)


def _sign(draft: Draft, channel_id: ChannelId, last: AppVerdict) -> None:
    """Sign what the messages that were just applied lead to."""
    channel = draft.state.channels[channel_id]
    point = replace(app_of(channel).tip, amounts=last.amounts, digest=last.digest)
    state_hash = _hash_of(channel, point)
    signature = draft.context.signer(state_hash)
    amounts = tuple(map(amount_to_bytes, last.amounts))
    draft.emit(
        app_events.AppStateSigned(
            channel_id, point.turn_num, state_hash, signature, amounts, last.digest
        )
    )


def _hash_of(channel: Channel, point: AppPoint) -> Bytes32:
    """What is signed of a point."""
    reached = replace(channel, app=replace(app_of(channel), tip=point))
    return hash_of_encoding(state_of(reached, is_tip=True).encode())


def _last_applied(channel: Channel, verdicts: tuple[AppVerdict, ...]) -> AppVerdict | None:
    """Where a run came to; None if nothing of it was taken in."""
    applied = [verdict for verdict in verdicts if verdict.is_applied]
    if not applied:
        return None
    total = funding_terms(channel).total
    assert sum(applied[-1].amounts) == total, "the shell lets nothing else through"
    return applied[-1]


def _answer(
    draft: Draft,
    channel: Channel,
    refusals: tuple[ListedRefusal, ...],
    decided_count: int,
    error_code: str,
) -> None:
    """Tell the other end what became of its offer."""
    app, mine = app_of(channel), my_end(channel)
    is_signed = not app.tip.is_supported
    base_count = app.tip.count - (decided_count - len(refusals))
    body = messages.AppAnswer(
        channel.channel_id,
        base_count,
        decided_count,
        refusals,
        app.tip.turn_num if is_signed else 0,
        app.tip.digest if is_signed else b"",
        app.tip.signatures[mine] if is_signed else b"",
        error_code,
    )
    fact = app_events.AppOfferAnswered(channel.channel_id, base_count, decided_count, error_code)
    draft.send_covered(channel.counterparty, body, fact)


def _judge_answer(
    draft: Draft, channel: Channel, answer: Answer, verdicts: tuple[AppVerdict, ...]
) -> None:
    """The author's side: our reducer must come to the very same, message by message."""
    app = app_of(channel)
    assert len(verdicts) == answer.decided_count, "what the other end decided was run as a whole"
    ours = tuple(
        ListedRefusal(place, verdict.code, verdict.failure)
        for place, verdict in enumerate(verdicts)
        if not verdict.is_applied
    )
    if ours != answer.refusals:
        halt(draft, channel, VERDICT_DIFFERS, _words(ours), _words(answer.refusals))
        return
    queued = app.queue[: answer.decided_count]
    run = tuple(zip((message.payload for message in queued), verdicts, strict=True))
    last = _last_applied(channel, verdicts)
    if last is not None:
        difference = _difference(channel, answer, run, last)
        if difference is not None:
            halt(draft, channel, *difference)
            return
    names = tuple(message.message_id for message in queued)
    _take_in(draft, channel, my_end(channel), app.offered_ms, run, names)
    if last is not None:
        _sign(draft, channel.channel_id, last)
    draft.emit(
        app_events.AppAnswerJudged(channel.channel_id, answer.base_count, answer.decided_count)
    )
    if last is not None:
        _confirm(draft, draft.state.channels[channel.channel_id], answer)


def _difference(
    channel: Channel,
    answer: Answer,
    run: tuple[tuple[bytes, AppVerdict], ...],
    last: AppVerdict,
) -> tuple[str, str, str] | None:
    """How the state that the other end signed is not what we came to; None if it is."""
    if last.digest != answer.digest:
        return DIGEST_DIFFERS, last.digest.hex(), answer.digest.hex()
    app = app_of(channel)
    point = app.tip
    for payload, verdict in run:
        if verdict.is_applied:
            message = message_of(app, my_end(channel), app.offered_ms, payload)
            point = after(point, message, app.offered_ms)
    point = replace(point, amounts=last.amounts, digest=last.digest)
    state_hash = _hash_of(channel, point)
    if answer.turn_num != point.turn_num or not is_theirs(channel, state_hash, answer.signature):
        ours = f"turn {point.turn_num}, amounts {list(last.amounts)}"
        return STATE_DIFFERS, ours, f"turn {answer.turn_num}, a signature under another state"
    return None


def _confirm(draft: Draft, channel: Channel, answer: Answer) -> None:
    app = app_of(channel)
    body = messages.AppConfirmation(
        channel.channel_id,
        app.tip.turn_num,
        app.tip.digest,
        app.tip.signatures[my_end(channel)],
    )
    fact = app_events.AppStateConfirmed(channel.channel_id, app.tip.turn_num, answer.signature)
    draft.send_covered(channel.counterparty, body, fact)


def halt(draft: Draft, channel: Channel, error_code: str, ours: str, theirs: str) -> None:
    """The two ends do not come to the same: nothing more is signed, and the other end is told."""
    count = app_of(channel).supported.count
    reason = f"after {count} messages: ours {ours}; theirs {theirs}"[: messages.TEXT_LENGTH_MAX]
    body = messages.AppHalt(channel.channel_id, error_code, reason)
    fact = app_events.AppChannelHalted(
        channel.channel_id,
        error_code,
        count,
        ours[: messages.TEXT_LENGTH_MAX],
        theirs[: messages.TEXT_LENGTH_MAX],
    )
    draft.send_covered(channel.counterparty, body, fact)


def _words(refusals: tuple[ListedRefusal, ...]) -> str:
    listed = (f"{r.place + 1}: {r.failure or r.code}" for r in refusals)
    return ", ".join(listed) or "nothing refused"
