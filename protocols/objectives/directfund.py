"""DirectFund: two parties agree on a channel, deposit on chain, and agree that it is funded.

    prefund signed by both -> deposits, in order -> all held (confirmed) -> postfund signed by both

Participant i deposits only when everything listed before its share is held and the prefund is
signed by all, so what it puts in can always be taken out by a state that pays it back. Pre- and
postfund carry the full outcome (M5). Deposits follow holdings, not depositors: a stranger's
deposit only lowers ours.

```mermaid
flowchart LR
  A[approval] --> P[complete prefund] --> D[my deposit] --> F[complete funding]
  F --> Q[complete postfund] --> E[done]
```
"""

from __future__ import annotations

from protocols import events, messages
from protocols.abi import encode_deposit_call
from protocols.app_errors import AppOpeningRefused, TurnRuleUnknown
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    ChainStatus,
    Channel,
    confirmed_holdings,
    funding_terms,
    is_finalised,
    is_funded,
    is_supported,
    is_withdrawn,
    observed_chain_status,
    observed_holdings,
)
from protocols.commands import OpenApp, OpenChannel, OpenLedger, command_hash
from protocols.crypto import recover_address
from protocols.draft import FOLLOWER, PAYEE, PLAYER, Draft, Proposal
from protocols.entities import Node
from protocols.errors import (
    OutcomeNotSupported,
    ParticipantsRefused,
    StateRefused,
    TooManyProposals,
    TooManyStrangers,
    WrongSigner,
)
from protocols.nonce import channel_nonce
from protocols.objectives.allowance import is_allowed
from protocols.objectives.base import (
    Objective,
    ObjectiveStatus,
    ObjectiveType,
    WaitingFor,
    objective_id,
)
from protocols.objectives.openings import app_of_command, record_app, record_opening
from protocols.objectives.prefund_rules import (
    require_app,
    require_asset,
    require_opening,
    require_payment,
    require_prefund,
)
from protocols.objectives.refusals import ANSWERED_TO_PLAYERS, answer_by_name
from protocols.objectives.states import resend, sign, sign_and_send, take_in
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.rejections import PROPOSAL_WINDOW_MS, REJECTED_COUNT_MAX
from protocols.state import FixedPart, State, state_from_encoding
from protocols.transactions import DEPOSIT, TransactionStatus
from protocols.types import ZERO_ADDRESS, Address, ObjectiveId, require_uint

UNFUNDED_COUNT_MAX = 64
"""Channels one peer may have proposed to us within a day that are not funded yet."""

STRANGERS_UNFUNDED_COUNT_MAX = 1_024
"""The same for all peers together that never funded a channel with us: keys are free."""


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if objective.status == ObjectiveStatus.UNAPPROVED:
        return WaitingFor.APPROVAL
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel_id = objective.channel_id
    if is_finalised(draft.state.channels[channel_id]):
        # It ended on chain before it was open: what was deposited is withdrawn.
        draft.emit(events.ObjectiveCompleted(objective.objective_id, False))
        return WaitingFor.NOTHING
    _sign_turn(draft, objective, PREFUND_TURN)
    channel = draft.state.channels[channel_id]
    if not is_supported(channel, PREFUND_TURN):
        return WaitingFor.COMPLETE_PREFUND

    if channel.unread:
        return WaitingFor.COMPLETE_FUNDING
    if not is_funded(channel):
        return _fund(draft, channel)

    _sign_turn(draft, objective, POSTFUND_TURN)
    channel = draft.state.channels[channel_id]
    if not is_supported(channel, POSTFUND_TURN):
        return WaitingFor.COMPLETE_POSTFUND

    postfund = channel.turn(POSTFUND_TURN)
    assert postfund is not None
    draft.emit(events.ObjectiveCompleted(objective.objective_id, True, postfund.state_hash))
    return WaitingFor.NOTHING


def _sign_turn(draft: Draft, objective: Objective, turn_num: int) -> None:
    channel = draft.state.channels[objective.channel_id]
    if channel.signed_by_me(turn_num):
        return
    prefund = channel.turns[PREFUND_TURN]
    agreed = channel.state(prefund)
    state = State(channel.fixed, agreed.app_data, agreed.outcome, turn_num, False)
    if turn_num == PREFUND_TURN and channel.my_index == 0:
        _propose(draft, channel, state, objective.objective_id)
    else:
        sign_and_send(draft, objective.channel_id, state, objective.objective_id)
        if turn_num == PREFUND_TURN and channel.unread:
            # M27: if we signed this once before, the deposit may be long there.
            draft.read_holdings(objective.channel_id, funding_terms(channel).asset)


def _propose(draft: Draft, channel: Channel, state: State, objective: ObjectiveId) -> None:
    _, signature = sign(draft, channel.channel_id, state)
    _send_proposal(draft, channel, state.encode(), signature, objective)


def _send_proposal(
    draft: Draft, channel: Channel, encoded: bytes, signature: bytes, objective: ObjectiveId
) -> None:
    fixed = channel.fixed
    body = messages.ChannelProposal(
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
        encoded,
        signature,
        "" if channel.app is None else channel.app.turn_rule,
    )
    draft.send(channel.counterparty, body, objective)


def _fund(draft: Draft, channel: Channel) -> WaitingFor:
    """Deposit what is missing of our share, once, when all shares before ours are held."""
    if observed_chain_status(channel) != ChainStatus.OPEN:
        return WaitingFor.COMPLETE_FUNDING
    terms = funding_terms(channel)
    before_mine = sum(terms.deposits[: channel.my_index])
    with_mine = before_mine + terms.deposits[channel.my_index]
    if terms.deposits[channel.my_index] == 0:
        return WaitingFor.COMPLETE_FUNDING
    if confirmed_holdings(channel, terms.asset) < before_mine:
        return WaitingFor.COMPLETE_FUNDING
    held = observed_holdings(channel, terms.asset)
    if held >= with_mine:
        return WaitingFor.COMPLETE_FUNDING
    missing = with_mine - held
    is_token = terms.asset != ZERO_ADDRESS
    if is_token and not is_allowed(draft, channel, terms.asset, missing):
        return WaitingFor.TOKEN_ALLOWANCE
    data = encode_deposit_call(terms.asset, channel.channel_id, held, missing)
    value = 0 if is_token else missing
    adjudicator = draft.state.node.adjudicator
    draft.request_transaction(DEPOSIT, channel.channel_id, adjudicator, value, data)
    return WaitingFor.MY_DEPOSIT


def open_channel(draft: Draft, command: OpenChannel | OpenLedger | OpenApp) -> ObjectiveId:
    """The owner's command: propose a payment channel, a ledger or an app channel as participant 0.

    Raises a ChannelRefused for every rule the channel would break.
    """
    node = draft.state.node
    require_uint("amount", command.amount, 256)
    require_uint("challenge_duration", command.challenge_duration, 48)
    nonce = channel_nonce(node.chain_id, node.adjudicator, command.nonce_entropy)
    participants = (draft.context.me, command.counterparty)
    app, app_data = _app_of(node, command)
    fixed = FixedPart(participants, nonce, app, command.challenge_duration)
    amounts = (command.amount, command.counterparty_amount)
    allocations = tuple(
        Allocation(destination_of(who), amount)
        for who, amount in zip(participants, amounts, strict=True)
    )
    exit_ = SingleAssetExit(command.asset, allocations)
    state = State(fixed, app_data, (exit_,), PREFUND_TURN, False)
    turn_rule = command.turn_rule if isinstance(command, OpenApp) else ""
    _require_acceptable(draft, state, turn_rule)
    require_opening(draft, state)
    request_hash = command_hash(command)
    kind, me = ObjectiveType.DIRECT_FUND, draft.context.me
    identity = record_opening(draft, kind, state, me, command.request_id, request_hash)
    record_app(draft, state, turn_rule)
    draft.emit(events.ObjectiveApproved(identity, me))
    return identity


def _app_of(node: Node, command: OpenChannel | OpenLedger | OpenApp) -> tuple[Address, bytes]:
    """The contract that the channel runs on, and what its first states commit to beside money."""
    if isinstance(command, OpenLedger):
        return node.consensus_app, b""
    if isinstance(command, OpenChannel):
        return node.virtual_payment_app, b""
    return app_of_command(node, command)


def receive_proposal(
    draft: Draft, peer: Address, body: messages.ChannelProposal
) -> ObjectiveId | None:
    """A peer proposes a channel: check every rule, record it, let policy decide.

    None if it was refused by name: which contracts, reducers and assets a node knows, and how long
    it wants to have for an answer, is its own, and the proposer of an application is not to blame.
    Raises EncodingError or ChannelRefused for the rest; nothing of the channel is kept either way.
    """
    fixed = messages.fixed_part(body)
    state = state_from_encoding(fixed, body.encoded_state)
    if fixed.participants[0] != peer or fixed.participants[-1] != draft.context.me:
        raise ParticipantsRefused("the proposer must be participant 0 and we the last one")
    known = draft.state.channels.get(state.channel_id)
    identity = objective_id(ObjectiveType.DIRECT_FUND, state.channel_id)
    if (
        known is not None
        and known.virtual is None
        and known.turns[PREFUND_TURN].state_hash == state.state_hash()
    ):
        # Said again: the proposer lost what we answered.
        retell(draft, known)
        return identity
    try:
        _require_acceptable(draft, state, body.turn_rule)
    except ANSWERED_TO_PLAYERS as refusal:
        if not state.app_data:
            raise
        answer_by_name(draft, peer, identity, refusal, str(refusal))
        return None
    _require_few_unfunded(draft, peer)
    if recover_address(state.state_hash(), body.signature) != peer:
        raise WrongSigner(peer)
    record_opening(draft, ObjectiveType.DIRECT_FUND, state, peer, "", None)
    record_app(draft, state, body.turn_rule)
    channel = draft.state.channels[state.channel_id]
    take_in(draft, channel, state, body.encoded_state, body.signature)
    _let_policy_decide(draft, identity, state, peer)
    return identity


def receive_state(draft: Draft, channel: Channel, state: State, body: messages.SignedState) -> None:
    """The counterparty signs the prefund or postfund; it must be exactly the agreed one."""
    if channel.rejected:
        raise StateRefused(state.turn_num, "the channel was rejected")
    prefund = channel.turns[PREFUND_TURN]
    agreed = channel.state(prefund)
    if state.turn_num not in (PREFUND_TURN, POSTFUND_TURN):
        raise StateRefused(state.turn_num, "only pre- and postfund are not final")
    if state.outcome != agreed.outcome or state.app_data != agreed.app_data:
        raise StateRefused(state.turn_num, "outcome or app data differ from the agreed prefund")
    if state.turn_num == POSTFUND_TURN and not is_supported(channel, PREFUND_TURN):
        raise StateRefused(state.turn_num, "the prefund is not signed by all")
    is_new = take_in(draft, channel, state, body.encoded_state, body.signature)
    if is_new:
        return
    identity = objective_id(ObjectiveType.DIRECT_FUND, channel.channel_id)
    # Said again: the other side lost our answer. The payer answers a prefund alone, with her
    # postfund, and the payee both: so every such exchange ends.
    answer = state.turn_num if channel.my_index == 1 else POSTFUND_TURN
    is_answered = channel.my_index == 1 or state.turn_num == PREFUND_TURN
    if is_answered and channel.signed_by_me(answer):
        resend(draft, channel, answer, identity)


def retell(draft: Draft, channel: Channel) -> None:
    """Say again what we signed for the opening: the counterparty, or we, lost the end of a log."""
    if channel.rejected or is_withdrawn(channel):
        return
    identity = objective_id(ObjectiveType.DIRECT_FUND, channel.channel_id)
    if channel.signed_by_me(PREFUND_TURN):
        if channel.my_index == 0:
            prefund = channel.turns[PREFUND_TURN]
            _send_proposal(draft, channel, prefund.encoded_state, prefund.signatures[0], identity)
        else:
            resend(draft, channel, PREFUND_TURN, identity)
    if channel.signed_by_me(POSTFUND_TURN):
        resend(draft, channel, POSTFUND_TURN, identity)


def _let_policy_decide(draft: Draft, identity: ObjectiveId, state: State, peer: Address) -> None:
    theirs, mine = (allocation.amount for allocation in state.outcome[0].allocations)
    app = draft.state.channels[state.channel_id].app
    role = PLAYER if app is not None else PAYEE
    decision = draft.context.decide(
        Proposal(
            peer,
            ObjectiveType.DIRECT_FUND,
            state.outcome[0].asset,
            mine,
            theirs,
            state.fixed.challenge_duration,
            FOLLOWER if _is_ledger(draft, state.fixed) else role,
            reducer_id=b"" if app is None else app.reducer_id,
        )
    )
    if decision.verdict == "deny":
        reject(draft, identity, decision.reason or "denied by policy", "POLICY_DENIED")
        return
    try:
        require_opening(draft, state)
    except AppOpeningRefused as refusal:
        reject(draft, identity, str(refusal), refusal.name())
        return
    if decision.verdict == "allow":
        draft.emit(events.ObjectiveApproved(identity))


def may_abandon(draft: Draft, objective: Objective) -> bool:
    """True while nothing is at stake: no deposit is held, seen or on its way."""
    if objective.objective_type != ObjectiveType.DIRECT_FUND:
        return False
    if objective.status != ObjectiveStatus.APPROVED:
        # We signed nothing yet: whoever put money in can take nothing from us by it.
        return objective.status == ObjectiveStatus.UNAPPROVED
    channel = draft.state.channels[objective.channel_id]
    asset = funding_terms(channel).asset
    if confirmed_holdings(channel, asset) or observed_holdings(channel, asset):
        return False
    _, deposit = draft.latest_transaction(DEPOSIT, channel.channel_id)
    return deposit is None or deposit.status == TransactionStatus.FAILED


def reject(draft: Draft, identity: ObjectiveId, reason: str, error_code: str) -> None:
    """End the objective while nothing is at stake, and tell who proposed it, or else the payee."""
    objective = draft.state.objectives[identity]
    channel = draft.state.channels[objective.channel_id]
    draft.emit(events.ObjectiveRejected(identity, reason, error_code))
    body = messages.ObjectiveRejection(identity, error_code, reason[: messages.TEXT_LENGTH_MAX])
    neighbour = channel.fixed.participants[channel.my_index - 1]
    draft.send(neighbour if channel.my_index else channel.counterparty, body, identity)


def _require_acceptable(draft: Draft, state: State, turn_rule: str = "") -> None:
    """Every rule a new channel obeys, whoever proposes it (M1, M5, M10, M14, M19)."""
    node, fixed = draft.state.node, state.fixed
    if len(fixed.participants) != 2 or len(set(fixed.participants)) != 2:
        raise ParticipantsRefused("two distinct participants are needed")
    if ZERO_ADDRESS in fixed.participants:
        raise ParticipantsRefused("the zero address cannot sign")
    apps = tuple(app for app, _ in node.app_definitions)
    require_prefund(draft, state, (node.virtual_payment_app, node.consensus_app, *apps))
    is_app = fixed.app_definition in apps
    if turn_rule and not is_app:
        raise TurnRuleUnknown(turn_rule)
    if is_app:
        require_app(draft, state, turn_rule)
    if is_app or _is_ledger(draft, fixed):
        _require_deposit(state)
    else:
        require_payment(state)
    require_asset(draft, state.outcome[0].asset)


def _require_few_unfunded(draft: Draft, peer: Address) -> None:
    """A proposal costs its sender nothing, so a stranger could fill our memory with them.

    Nor does a key: strangers have one bound together. Peers that funded a channel once are none.
    """
    agenda, since_ms = draft.base.agenda, draft.context.now_ms - PROPOSAL_WINDOW_MS
    unfunded = agenda.unfunded_count(peer, since_ms)
    if unfunded >= UNFUNDED_COUNT_MAX:
        raise TooManyProposals(peer, unfunded)
    if agenda.rejections.is_payer_full(peer, peer, since_ms):
        raise TooManyProposals(peer, REJECTED_COUNT_MAX)
    if peer in agenda.proven:
        return
    unfunded = agenda.strangers_count(since_ms)
    if unfunded >= STRANGERS_UNFUNDED_COUNT_MAX:
        raise TooManyStrangers(unfunded)


def _is_ledger(draft: Draft, fixed: FixedPart) -> bool:
    return fixed.app_definition == draft.state.node.consensus_app


def _require_deposit(state: State) -> None:
    """In a ledger or an application channel either side may deposit, or both."""
    if not any(allocation.amount for allocation in state.outcome[0].allocations):
        raise OutcomeNotSupported("nobody deposits anything")
