"""A peer that keeps a running objective waiting for too long is answered by a challenge.

Off unless the owner configured it. What moves an objective is what the peer says, so silence counts
from when something last came of it. Only where money of ours is in the channel is anything done.
"""

from __future__ import annotations

from protocols.channel import (
    ChainStatus,
    Channel,
    confirmed_holdings,
    funding_terms,
    is_finalised,
    observed_chain_status,
)
from protocols.draft import Draft
from protocols.objectives.base import LEAVING, Objective, ObjectiveType, WaitingFor
from protocols.objectives.challenge import may_challenge
from protocols.objectives.leaving import begin
from protocols.virtual_paths import stands

PEER_WAITS = frozenset(
    (
        WaitingFor.COMPLETE_FUNDING,
        WaitingFor.COMPLETE_POSTFUND,
        WaitingFor.LARGEST_VOUCHER,
        WaitingFor.FINAL_STATE_FROM_PAYER,
        WaitingFor.SUPPORTED_FINAL_STATE,
        WaitingFor.FINAL_STATE_FROM_LEADER,
        WaitingFor.LATEST_LEDGER_STATE,
        WaitingFor.LEFT_GUARANTEE,
        WaitingFor.RIGHT_GUARANTEE,
        WaitingFor.RENUNCIATION,
        WaitingFor.GUARANTEE_REMOVAL,
    )
)
"""What only another participant can end."""


def is_too_long(draft: Draft, objective: Objective) -> bool:
    """Whether nothing came of the objective for longer than the owner puts up with."""
    limit_s = draft.context.challenge_after_silence_s
    if not limit_s or objective.objective_type in LEAVING:
        return False
    return draft.context.now_ms >= objective.moved_ms + 1_000 * limit_s


def challenge_silent(draft: Draft, objective: Objective, awaited: WaitingFor) -> None:
    """Challenge the channel; of a virtual one that is final, the ledgers that still carry it."""
    if awaited not in PEER_WAITS:
        return
    channel = draft.state.channels[objective.channel_id]
    if channel.virtual is None:
        if confirmed_holdings(channel, funding_terms(channel).asset):
            _challenge(draft, channel)
        return
    ledgers = [
        draft.state.channels[ledger_id]
        for ledger_id in (channel.virtual.left_ledger, channel.virtual.right_ledger)
        if stands(draft.state, ledger_id, channel.channel_id)
    ]
    if not is_finalised(channel) and ledgers:
        _challenge(draft, channel)
    for ledger in ledgers if is_finalised(channel) else ():
        _challenge(draft, ledger)


def _challenge(draft: Draft, channel: Channel) -> None:
    is_quiet = observed_chain_status(channel) == ChainStatus.OPEN
    # Who had a challenge cleared was there then: it may be silent for as long again.
    limit_ms = 1_000 * draft.context.challenge_after_silence_s
    is_due = draft.context.now_ms >= channel.cleared_ms + limit_ms
    if is_quiet and is_due and may_challenge(draft.state, channel):
        begin(draft, ObjectiveType.CHALLENGE, channel)
