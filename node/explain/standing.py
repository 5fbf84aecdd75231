"""Where a channel stands now: what it waits for, what failed by which name, what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from node.explain.awaited import awaited
from node.explain.story import Cast
from node.explain.words import amount_words, harmless, short_bytes
from node.moments import BlocksUntil, date_text
from protocols.channel import Channel, ChannelStatus, challenge_end, funding_terms, status
from protocols.errors import all_errors
from protocols.objectives.base import Objective, ObjectiveStatus
from protocols.types import to_hex


class Wait(Struct, frozen=True, gc=False):
    """An objective that is not at its end."""

    objective_id: str
    objective_type: str
    waiting_for: str
    """The first unmet condition, by name."""
    what: str
    """The same in words."""


class Failure(Struct, frozen=True, gc=False):
    """Something that ended badly."""

    name: str
    """The refusal's stable name; empty if there is none."""
    reason: str
    next_step: str
    """What can be done about it; empty if nothing can."""
    seq: int | None
    """The record that says so."""


class Standing(Struct, frozen=True, gc=False):
    """Where a channel, an objective or a payment stands."""

    status: str
    what: str
    """In a sentence."""
    waiting: list[Wait]
    failures: list[Failure]
    next_steps: list[str]
    """What the owner can type now."""


def failure_of(name: str, reason: str, seq: int | None) -> Failure:
    """A named refusal with what the table of errors says to do about it."""
    known = all_errors().get(name)
    return Failure(harmless(name), harmless(reason), "" if known is None else known.next_step, seq)


def _unknown(time_s: int) -> int | None:
    return None


def channel_standing(
    channel: Channel | None,
    cast: Cast,
    objectives: Sequence[tuple[Objective, str]],
    failures: list[Failure],
    blocks_until: BlocksUntil = _unknown,
) -> Standing:
    """Of a channel and its objectives, each with what it waits for by name.

    `channel` is None for one that came to nothing and was forgotten; `blocks_until` tells how many
    blocks will be mined until a time of the chain.
    """
    waiting = [
        Wait(
            to_hex(objective.objective_id),
            objective.objective_type,
            condition,
            awaited(condition),
        )
        for objective, condition in objectives
        if objective.status in (ObjectiveStatus.UNAPPROVED, ObjectiveStatus.APPROVED)
    ]
    if channel is None:
        what = "It came to nothing and is forgotten; only the log knows of it."
        return Standing("forgotten", what, waiting, failures, [])
    state = status(channel)
    return Standing(
        str(state),
        _sentence(channel, state, cast, waiting, blocks_until),
        waiting,
        failures,
        _next_steps(channel, state, cast, objectives),
    )


_LEAVING = ("Exit", "Challenge", "Withdraw")

_STATUSES = {
    ChannelStatus.PROPOSED: "It is proposed and not agreed yet",
    ChannelStatus.FUNDING: "Everybody agreed; its money is not there yet",
    ChannelStatus.OPEN: "It is open",
    ChannelStatus.CLOSING: "It is being closed",
    ChannelStatus.CHALLENGED: "A challenge runs on chain",
    ChannelStatus.EXPIRED: "Nobody answered a challenge: it is final on chain and not paid out yet",
    ChannelStatus.CONCLUDED: "It is concluded on chain; not everything is paid out yet",
    ChannelStatus.CLOSED: "It is closed and settled",
    ChannelStatus.REJECTED: "It was rejected and will not open",
}


def _sentence(
    channel: Channel,
    state: ChannelStatus,
    cast: Cast,
    waiting: Sequence[Wait],
    blocks_until: BlocksUntil,
) -> str:
    parts = [_STATUSES[state]]
    ends = challenge_end(channel)
    if state == ChannelStatus.CHALLENGED and ends:
        blocks = blocks_until(ends)
        left = "" if blocks is None else f", in about {blocks} blocks"
        parts[0] += f" and ends {date_text(ends)}{left}"
    if cast.kind != "ledger" and channel.vouchers.total:
        paid = amount_words(cast.asset, channel.vouchers.total)
        deposit = amount_words(cast.asset, funding_terms(channel).total)
        parts.append(f"{paid} of {deposit} was paid")
    parts += [
        f"waits for {wait.what}" for wait in waiting if wait.waiting_for not in ("", "nothing")
    ]
    if channel.close_only:
        parts.append("after a cut log it can only be closed")
    return "; ".join(parts) + "."


def _next_steps(
    channel: Channel,
    state: ChannelStatus,
    cast: Cast,
    objectives: Sequence[tuple[Objective, str]],
) -> list[str]:
    name = short_bytes(channel.channel_id)
    steps: list[str] = []
    for objective, _ in objectives:
        if objective.status == ObjectiveStatus.UNAPPROVED:
            asked = short_bytes(objective.objective_id)
            steps += [f"tally approve {asked}", f"tally reject {asked}"]
    is_open = state == ChannelStatus.OPEN
    if is_open and not channel.close_only:
        if cast.kind == "ledger":
            steps.append(f"tally ledger pay {name} AMOUNT")
        elif channel.app is not None:
            steps += [] if channel.app.halted else [f"tally app send {name} JSON"]
        elif cast.leads:
            steps.append(f"tally pay {name} AMOUNT")
    if is_open and channel.is_end:
        steps.append(f"tally close {name}")
    leaves = any(objective.objective_type in _LEAVING for objective, _ in objectives)
    if state in (ChannelStatus.CLOSING, ChannelStatus.CHALLENGED) and not leaves:
        steps.append(f"tally exit {name} --dry-run")
    return steps
