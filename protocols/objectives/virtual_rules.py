"""What a virtual channel must be like before we sign anything of it (M1, M5, M10, M14, M17)."""

from __future__ import annotations

from protocols import hub, ledgers
from protocols.app_errors import TurnRuleUnknown
from protocols.channel import Channel
from protocols.draft import Draft
from protocols.errors import (
    TooManyProposals,
    TooManyStrangers,
)
from protocols.ledger import ADD
from protocols.objectives.prefund_rules import (
    require_app,
    require_asset,
    require_payment,
    require_prefund,
)
from protocols.rejections import (
    NEIGHBOUR_REJECTED_COUNT_MAX,
    PROPOSAL_WINDOW_MS,
    REJECTED_COUNT_MAX,
)
from protocols.state import State
from protocols.types import ZERO_ADDRESS, Address, ChannelId
from protocols.virtual_errors import (
    HopWithoutFunds,
    HopWithoutLedger,
    PathRefused,
)
from protocols.virtual_paths import parts_at

OPENING_COUNT_MAX = 512
"""Virtual channels of one payer that one peer may have proposed to us and that are not open yet."""

NEIGHBOUR_OPENING_COUNT_MAX = 8 * OPENING_COUNT_MAX
"""The same for all payers that the peer speaks for: it may invent them, for keys are free."""

STRANGERS_OPENING_COUNT_MAX = 4_096
"""The same for all peers together that never funded a channel with us: keys are free."""

PARTICIPANT_COUNT_MAX = 32
"""Participants of a path. Each verifies every signature of all; nobody needs thirty hubs."""


def require_path(participants: tuple[Address, ...], fees: tuple[int, ...]) -> None:
    """Distinct participants that can sign, and one fee an intermediary. Raises PathRefused."""
    if not 2 <= len(participants) <= PARTICIPANT_COUNT_MAX:
        last = len(participants) - 1
        raise PathRefused(last, participants[-1] if participants else b"", "the path's length")
    for hop, who in enumerate(participants):
        if who == ZERO_ADDRESS:
            raise PathRefused(hop, who, "the zero address cannot sign")
        if who in participants[:hop]:
            # [A, H, A] can never conclude.
            raise PathRefused(hop, who, "it is on the path twice")
    if len(fees) != len(participants) - 2:
        raise PathRefused(len(participants) - 1, participants[-1], "one fee an intermediary")


def require_state(draft: Draft, state: State, place: int = 0, turn_rule: str = "") -> None:
    """The prefund of a channel between the ends: for payments, or of an application (M1, M14).

    The first participant puts something in, and in an application the last one may too. `place` is
    ours on the path: an intermediary needs no reducer. Raises a ChannelRefused or an AppRefused.
    """
    node, fixed = draft.state.node, state.fixed
    apps = tuple(app for app, _ in node.app_definitions)
    require_prefund(draft, state, (node.virtual_payment_app, *apps))
    is_app = fixed.app_definition in apps
    require_payment(state, payee_may_deposit=is_app)
    if is_app:
        is_end = place in (0, len(fixed.participants) - 1)
        require_app(draft, state, turn_rule, runs_reducer=is_end)
    elif turn_rule:
        raise TurnRuleUnknown(turn_rule)
    require_asset(draft, state.outcome[0].asset)


def require_few_opening(draft: Draft, peer: Address, payer: Address) -> None:
    """A proposal costs its sender nothing, and we keep it until something comes of it.

    Counted by neighbour and payer, then by neighbour, so that none of its payers shuts the others
    out (`rejections`). Raises TooManyProposals or TooManyStrangers.
    """
    agenda, since_ms = draft.base.agenda, draft.context.now_ms - PROPOSAL_WINDOW_MS
    count = agenda.opening_count_for(peer, payer)
    if count >= OPENING_COUNT_MAX:
        raise TooManyProposals(payer, count)
    if agenda.rejections.is_payer_full(peer, payer, since_ms):
        raise TooManyProposals(payer, REJECTED_COUNT_MAX)
    count = agenda.opening_count(peer)
    if count >= NEIGHBOUR_OPENING_COUNT_MAX:
        raise TooManyProposals(peer, count)
    if agenda.rejections.is_neighbour_full(peer, since_ms):
        raise TooManyProposals(peer, NEIGHBOUR_REJECTED_COUNT_MAX)
    if peer not in agenda.proven:
        count = agenda.strangers_opening_count()
        if count >= STRANGERS_OPENING_COUNT_MAX:
            raise TooManyStrangers(count)


def require_room(
    draft: Draft, state: State, place: int, fees: tuple[int, ...], chosen: tuple[ChannelId, ...]
) -> None:
    """This node's fee and limits, whatever its place on the path (`hub.require_room`)."""
    (exit_,) = state.outcome
    amount = sum(amounts_of(state))
    path, channel_id = state.fixed.participants, state.channel_id
    hub.require_room(draft, path, place, exit_.asset, amount, fees, chosen, channel_id)


def amounts_of(state: State) -> tuple[int, int]:
    """What the two ends put in, by the prefund."""
    first, last = state.outcome[0].allocations
    return first.amount, last.amount


def choose_right(draft: Draft, state: State, place: int, fees: tuple[int, ...]) -> ChannelId:
    """Our ledger with the next participant: open, in the asset, with both parts of it free.

    Raises HopWithoutLedger, HopWithoutFunds, or TooManyGuarantees.
    """
    participants = state.fixed.participants
    peer, asset = participants[place + 1], state.outcome[0].asset
    parts = parts_at(amounts_of(state), fees, place)
    found = ledgers.choose(draft, peer, asset, parts.left, parts.right)
    if found is not None:
        return found.channel_id
    open_ones = [
        known
        for known in ledgers.ledgers_with(draft, peer)
        if known.ledger is not None
        and known.ledger.asset == asset
        and not ledgers.why_not_running(draft.state, known, ADD)
    ]
    if not open_ones:
        raise HopWithoutLedger(place + 1, peer, asset)
    free = max(ledgers.free_balance(known) for known in open_ones)
    if free < parts.left:
        raise HopWithoutFunds(place, draft.context.me, parts.left, free)
    ours = [known for known in open_ones if ledgers.free_balance(known) >= parts.left]
    peers = max(ledgers.peers_balance(known) for known in ours)
    if peers >= parts.right:
        hub.require_guarantee(draft, ours[0].channel_id)
    raise HopWithoutFunds(place + 1, peer, parts.right, peers)


def require_left(
    draft: Draft, state: State, place: int, fees: tuple[int, ...], ledger_id: ChannelId
) -> None:
    """The ledger that our left neighbour chose is one of ours with it and can carry the channel:
    both have their part free in it.

    Raises HopWithoutLedger or HopWithoutFunds.
    """
    participants = state.fixed.participants
    left, asset = participants[place - 1], state.outcome[0].asset
    parts = parts_at(amounts_of(state), fees, place - 1)
    channel = draft.state.channels.get(ledger_id)
    if channel is None or not _is_between(channel, left, draft.context.me):
        raise HopWithoutLedger(place, draft.context.me, asset)
    ledger = channel.ledger
    if (
        ledger is None
        or ledger.asset != asset
        or ledgers.why_not_running(draft.state, channel, ADD)
    ):
        raise HopWithoutLedger(place, draft.context.me, asset)
    free = ledgers.peers_balance(channel)
    if free < parts.left:
        raise HopWithoutFunds(place - 1, left, parts.left, free)
    ours = ledgers.free_balance(channel)
    if ours < parts.right:
        raise HopWithoutFunds(place, draft.context.me, parts.right, ours)


def _is_between(channel: Channel, left: Address, me: Address) -> bool:
    return set(channel.fixed.participants) == {left, me}


def require_any_left(draft: Draft, state: State) -> None:
    """A last end that does not know the ledger yet has one at all, with its own part free.

    Raises HopWithoutLedger or HopWithoutFunds.
    """
    place, free = len(state.fixed.participants) - 1, -1
    asset, (_, ours) = state.outcome[0].asset, amounts_of(state)
    for channel in ledgers.ledgers_with(draft, state.fixed.participants[place - 1]):
        ledger = channel.ledger
        is_in_asset = ledger is not None and ledger.asset == asset
        if is_in_asset and not ledgers.why_not_running(draft.state, channel, ADD):
            free = max(free, ledgers.free_balance(channel))
    if free < 0:
        raise HopWithoutLedger(place, draft.context.me, asset)
    if free < ours:
        raise HopWithoutFunds(place, draft.context.me, ours, free)
