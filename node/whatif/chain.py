"""The chain as a simulation assumes it: what is asked of it is mined at once, and confirmed.

What the chain says bears no signature of anybody's, so it is handed to the crank as the chain room
would. What comes of calls in a dispute is said by `disputes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from msgspec.structs import replace

from node.whatif.disputes import Said, answer_to, is_final, registered
from protocols import inputs
from protocols.abi import encode_deposit_call
from protocols.adjudication import exit_of
from protocols.channel import (
    PREFUND_TURN,
    ChainStatus,
    Channel,
    challenge_end,
    confirmed_holdings,
    funding_terms,
    is_supported,
    observed_adjudicated,
    observed_chain_status,
    observed_holdings,
    own_guarantees,
    supported_final,
)
from protocols.crypto import keccak256
from protocols.effects import ReadHoldings, SubmitTransaction
from protocols.entities import NodeState
from protocols.exit_errors import ChallengeImpossible
from protocols.objectives.supports import CHALLENGE, CHECKPOINT, CONCLUDE
from protocols.objectives.withdraw import TRANSFER, reclaim_kind
from protocols.outcome import total
from protocols.state import State
from protocols.transactions import APPROVE, DEPOSIT, REVERTED, intent_id, is_pending
from protocols.types import ZERO_ADDRESS, Address, Bytes32, ChannelId, amount_to_bytes

_EXPECTED_HELD, _AMOUNT = slice(68, 100), slice(100, 132)
"""The last two words of a deposit's call data."""


class AssumedChain:
    """Numbers blocks and transactions that will never be."""

    def __init__(self, state: NodeState) -> None:
        self.block_num = max(0, state.node.processed_block_num)
        """The newest."""

    def next_block(self, state: NodeState, channel_id: ChannelId) -> None:
        """One more block, above all that is known of the channel."""
        channel = state.channels.get(channel_id)
        known = -1 if channel is None else channel.confirmed_up_to[0]
        seen = [] if channel is None else [log.block_num for log in channel.observed]
        self.block_num = max(self.block_num, known, *seen) + 1

    def mined(
        self, state: NodeState, order: SubmitTransaction, channel_id: ChannelId, now_s: int
    ) -> Iterator[inputs.Input]:
        """The order is signed by nobody, mined, and its logs are confirmed.

        Whether it reverts follows from the state: from what is true on chain.
        """
        self.next_block(state, channel_id)
        tx_hash = keccak256(b"assumed transaction|" + order.intent_id)
        sender = state.node.address
        yield inputs.TransactionSigned(order.intent_id, tx_hash, sender, 0, b"")
        channel, succeeded = state.channels[channel_id], True
        if order.kind == DEPOSIT:
            held = observed_holdings(channel, funding_terms(channel).asset)
            succeeded = held == int.from_bytes(order.data[_EXPECTED_HELD], "big")
            if succeeded:
                yield from self.deposited(channel, deposit_of(order), tx_hash)
        elif order.kind == CONCLUDE:
            succeeded = not is_final(channel, now_s)
            if succeeded:
                yield from self.concluded(channel, tx_hash, now_s)
        else:
            answer = answer_to(state, channel, order.kind, now_s)
            succeeded = answer is not None
            yield from self._logs(channel, answer or (), tx_hash)
        place = (self.block_num, self._block_hash())
        failure = "" if succeeded else REVERTED
        yield inputs.TransactionReceipt(order.intent_id, tx_hash, *place, 0, 0, succeeded, failure)
        if order.kind not in (APPROVE, DEPOSIT):
            yield self.head(now_s)

    def head(self, now_s: int) -> inputs.ChainHead:
        """All up to the newest block is confirmed, and it is of that time."""
        return inputs.ChainHead(self.block_num, self._block_hash(), now_s)

    def fork(self, state: NodeState, block_count: int) -> inputs.ChainReorg:
        """So many of the newest blocks that anything was seen in are replaced."""
        seen = [
            log.block_num
            for channel_id in state.unconfirmed.channels
            for log in state.channels[channel_id].observed
        ]
        mined = state.unconfirmed.mined.values()
        self.block_num = max(self.block_num, state.node.processed_block_num, *seen, *mined)
        first = max(1, self.block_num - block_count + 1)
        old, number = self._block_hash(), first.to_bytes(8, "big")
        return inputs.ChainReorg(first, old, keccak256(b"assumed fork|" + number + old))

    def taken_back(self, state: NodeState) -> inputs.ChainReorg:
        """All blocks above the confirmed ones, as the chain room does it when the endpoint that
        told of them is outvoted: a fork of blocks that are the same."""
        first = max(0, state.node.processed_block_num) + 1
        block_hash = keccak256(b"assumed block|" + first.to_bytes(8, "big"))
        return inputs.ChainReorg(first, block_hash, block_hash)

    def reading(
        self, state: NodeState, true: NodeState, question: ReadHoldings
    ) -> inputs.ChannelRead:
        """All that counted is in the new blocks as well, unless an endpoint made it up."""
        channel = true.channels[question.channel_id]
        held = confirmed_holdings(channel, question.asset)
        if channel.halt is not None and channel == state.channels[question.channel_id]:
            held = max(held, channel.halt.held)
        ends_at = 0 if channel.adjudicated is None else channel.adjudicated.finalizes_at
        place = (self.block_num, self._block_hash())
        return inputs.ChannelRead(channel.channel_id, question.asset, held, *place, ends_at)

    def confirmed(self, state: NodeState) -> Iterator[inputs.ChainLog]:
        """What was seen before and is in no confirmed block stays where it is."""
        for channel_id in list(state.unconfirmed.channels):
            for log in state.channels[channel_id].observed:
                place = (log.block_num, log.block_hash, log.tx_hash, 0, log.log_index)
                found = inputs.ChainLog(log.log_name, channel_id, *place, True)
                yield replace(
                    found,
                    asset=log.asset,
                    amount=log.amount,
                    number=log.number,
                    turn_num=log.turn_num,
                    candidate_state_hash=log.state_hash,
                    candidate_outcome=log.outcome,
                    indices=log.indices,
                    amounts=log.amounts,
                    target=log.target,
                )

    def deposited(
        self, channel: Channel, amount: int, tx_hash: Bytes32 | None = None
    ) -> Iterator[inputs.Input]:
        """The holdings rise."""
        asset = funding_terms(channel).asset
        now_held = observed_holdings(channel, asset) + amount
        yield from self._log(channel, "Deposited", 0, tx_hash, asset=asset, amount=now_held)

    def concluded(
        self, channel: Channel, tx_hash: Bytes32 | None, now_s: int
    ) -> Iterator[inputs.Input]:
        """The final state's outcome is paid out, as far as the holdings go."""
        final = supported_final(channel)
        exits = () if final is None else channel.state(final).outcome
        told = tuple(share.amount for exit_ in exits for share in exit_.allocations)
        yield from self._log(channel, "Concluded", 0, tx_hash, number=now_s, amounts=told)
        if not exits or channel.virtual is not None:
            return
        (exit_,) = exits
        held = confirmed_holdings(channel, exit_.asset)
        left = max(0, held - total(exit_))
        yield from self._log(channel, "AllocationUpdated", 1, tx_hash, amount=left)
        places = tuple(range(len(told)))
        yield from self._log(channel, "OutcomePaid", 2, tx_hash, indices=places, amounts=told)

    def challenged(
        self, channel: Channel, candidate: State, now_s: int, by: Address
    ) -> Iterator[inputs.Input]:
        """A challenge with that state is registered. Raises ChallengeImpossible."""
        answer = registered(channel, candidate, now_s, by)
        if answer is None:
            reason = f"the adjudicator takes no state of turn {candidate.turn_num} any more"
            raise ChallengeImpossible(channel.channel_id, reason)
        yield from self._logs(channel, answer, None)

    def _logs(
        self, channel: Channel, said: Iterable[Said], tx_hash: Bytes32 | None
    ) -> Iterator[inputs.Input]:
        for place, one in enumerate(said):
            yield from self._log(channel, one.log_name, place, tx_hash, **one.values)

    def _log(
        self,
        channel: Channel,
        log_name: str,
        log_index: int,
        tx_hash: Bytes32 | None,
        **values: Any,
    ) -> Iterator[inputs.Input]:
        """Seen, then confirmed."""
        if tx_hash is None:
            number = self.block_num.to_bytes(8, "big")
            tx_hash = keccak256(b"assumed transaction|" + channel.channel_id + number)
        place = (self.block_num, self._block_hash(), tx_hash, 0, log_index)
        for confirmed in (False, True):
            log = inputs.ChainLog(log_name, channel.channel_id, *place, confirmed)
            yield replace(log, **values)

    def _block_hash(self) -> Bytes32:
        return keccak256(b"assumed block|" + self.block_num.to_bytes(8, "big"))


def deposit_of(order: SubmitTransaction) -> int:
    """What the order deposits, smallest unit; 0 for one that does something else."""
    return int.from_bytes(order.data[_AMOUNT], "big") if order.kind == DEPOSIT else 0


def orders_under_way(state: NodeState, channel_id: ChannelId) -> Iterator[SubmitTransaction]:
    """What the node asked of the chain for that channel and has no answer to."""
    for kind in _kinds(state.channels[channel_id]):
        for attempt in count():
            known = state.transactions.get(intent_id(kind, channel_id, attempt))
            if known is None:
                break
            if is_pending(known):
                order = _order(state, known.intent_id, kind, state.channels[channel_id])
                yield replace(order, deadline_s=known.deadline_s)


def _kinds(channel: Channel) -> Iterator[str]:
    yield from (APPROVE, DEPOSIT, CONCLUDE, CHALLENGE, CHECKPOINT, TRANSFER)
    exit_ = exit_of(observed_adjudicated(channel).outcome)
    if exit_ is not None:
        for place in own_guarantees(channel, exit_):
            yield reclaim_kind(exit_.allocations[place].destination)


def is_head_due(state: NodeState, now_s: int) -> bool:
    """Whether a challenge's time has passed and no confirmed block of then was seen."""
    for channel_id in {*state.unconfirmed.disputed, *state.unconfirmed.channels}:
        channel = state.channels[channel_id]
        if channel.chain_status != ChainStatus.EXPIRED and 0 < challenge_end(channel) <= now_s:
            return True
    return False


def _order(state: NodeState, intent: Bytes32, kind: str, channel: Channel) -> SubmitTransaction:
    """As much of the order as is needed here: what it would deposit follows from the channel."""
    terms, data, value = funding_terms(channel), b"", 0
    if kind == DEPOSIT:
        held = observed_holdings(channel, terms.asset)
        value = max(0, sum(terms.deposits[: channel.my_index + 1]) - held)
        data = encode_deposit_call(terms.asset, channel.channel_id, held, value)
    wei = amount_to_bytes(value if terms.asset == ZERO_ADDRESS else 0)
    return SubmitTransaction(intent, kind, state.node.adjudicator, wei, data)


def missing_deposit(channel: Channel) -> int:
    """What the other party of a direct channel is to deposit now; 0 if it is not its turn."""
    terms = funding_terms(channel)
    if channel.virtual is not None or channel.rejected or len(terms.deposits) != 2:
        return 0
    if not is_supported(channel, PREFUND_TURN):
        return 0
    if observed_chain_status(channel) != ChainStatus.OPEN or supported_final(channel) is not None:
        return 0
    held = observed_holdings(channel, terms.asset)
    first = terms.deposits[0]
    if channel.my_index == 0:
        return terms.total - held if first <= held < terms.total else 0
    return first - held if held < first else 0


def awaits_conclusion_by_other(channel: Channel) -> bool:
    """Whether the other party is the one to conclude."""
    if channel.virtual is not None or channel.my_index == 0 or supported_final(channel) is None:
        return False
    return observed_chain_status(channel) != ChainStatus.CONCLUDED
