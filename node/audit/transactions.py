"""Intents and objectives: begun before they end, ended once, and no deposit made twice."""

from collections.abc import Iterator
from itertools import count, takewhile
from typing import get_args

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from protocols import events
from protocols.abi import APPROVE_SELECTOR
from protocols.crypto import keccak256
from protocols.objectives.base import LEAVING, ObjectiveType, objective_id
from protocols.transaction_events import TransactionHeldBack, TransactionReplaced
from protocols.transactions import APPROVE, DEPOSIT, filled_nonce, intent_id
from protocols.types import Bytes32, ChannelId, amount_from_bytes


class TransactionCheck(Check):
    """One intent at a time for one purpose, signed once, ended once."""

    name = "transactions"
    judges = (
        events.TransactionRequested,
        events.TransactionSubmitted,
        TransactionReplaced,
        TransactionHeldBack,
        events.TransactionMined,
        events.TransactionFailed,
        events.ChainReorged,
    )

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._ended: dict[bytes, bool] = {}
        """Intent -> whether it succeeded."""
        self._mined_in: dict[bytes, int] = {}
        """Intent -> the block that ended it: a fork there takes the end back."""

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with this record, given all before it."""
        match entry.event:
            case events.TransactionRequested() as event:
                yield from self._requested(event)
            case events.TransactionSubmitted() as event:
                yield from self._submitted(event)
            case TransactionReplaced() as event:
                yield from self._replaced(event)
            case TransactionHeldBack() as event:
                yield from self._held_back(event)
            case events.TransactionMined() as event:
                earlier = self._facts.replaced_hashes.get(event.intent_id, ())
                newest = self._facts.tx_hashes.get(event.intent_id)
                if newest != event.tx_hash and event.tx_hash not in earlier:
                    yield "it is not the transaction that was submitted for the intent"
                yield from self._end(event.intent_id, event.succeeded)
                self._mined_in[event.intent_id] = event.block_num
            case events.TransactionFailed() as event:
                yield from self._end(event.intent_id, False)
            case events.ChainReorged() as event:
                self._begin_again(event.fork_block_num)
            case _:
                return

    def _requested(self, event: events.TransactionRequested) -> Iterator[str]:
        node, channel = self._facts.node, self._facts.channels.get(event.channel_id)
        if channel is None or node is None:
            yield "it names a channel that was never created"
            return
        if event.kind == APPROVE:
            yield from _approval(event, channel, node.adjudicator)
        elif filled_nonce(event.kind) is not None:
            if event.to != self._facts.me or event.data or any(event.value):
                yield "what fills a nonce sends something, or goes to somebody else"
        elif event.to != node.adjudicator:
            yield "it does not go to the adjudicator"
        earlier_attempts = self._attempts(event.kind, event.channel_id)
        number = len(earlier_attempts)
        if event.intent_id != intent_id(event.kind, event.channel_id, number):
            yield "its intent id is no fresh attempt's"
        for earlier in earlier_attempts:
            # All but deposits may be needed again: an approval whose deposits came to nothing, a
            # challenge after one that was cleared, a transfer after a guarantee was given back.
            repeats = event.kind != DEPOSIT
            is_over = earlier in self._ended and (repeats or not self._ended[earlier])
            if not is_over:
                yield f"an earlier attempt at this {event.kind} is under way or done"
        if not any(event.value):
            return
        deposits = channel.deposits()
        if channel.my_index is None or len(deposits) <= channel.my_index:
            yield "our share of the channel is unknown"
        elif amount_from_bytes(event.value) > deposits[channel.my_index]:
            yield "it sends more than our share of the channel"

    def _attempts(self, kind: str, channel_id: ChannelId) -> list[Bytes32]:
        """The intents of all attempts so far."""
        found = takewhile(
            self._facts.transactions.__contains__,
            (intent_id(kind, channel_id, number) for number in count()),
        )
        return list(found)

    def _submitted(self, event: events.TransactionSubmitted) -> Iterator[str]:
        if event.intent_id not in self._facts.transactions:
            yield "the intent was never requested"
        if event.intent_id in self._facts.tx_hashes:
            yield "the intent was submitted before"
        if keccak256(event.raw) != event.tx_hash:
            yield "the transaction hash is not that of the raw bytes"
        if event.sender != self._facts.me:
            yield f"it is sent by 0x{event.sender.hex()}, not by us"

    def _replaced(self, event: TransactionReplaced) -> Iterator[str]:
        if self._facts.tx_hashes.get(event.intent_id) != event.old_tx_hash:
            yield "it replaces another transaction than the newest of the intent"
        if self._facts.nonces.get(event.intent_id) != event.nonce:
            yield "it has another nonce than what it replaces"
        if event.intent_id in self._ended:
            yield "the intent ended before"
        if keccak256(event.raw) != event.tx_hash:
            yield "the transaction hash is not that of the raw bytes"
        if event.max_fee <= event.old_max_fee or event.priority_fee <= event.old_priority_fee:
            yield "it bids no more than what it replaces"

    def _held_back(self, event: TransactionHeldBack) -> Iterator[str]:
        requested = self._facts.transactions.get(event.intent_id)
        if requested is None or requested.channel_id != event.channel_id:
            yield "no such intent was requested for the channel"
        elif requested.deadline_s != event.deadline_s or not event.deadline_s:
            yield "the intent has another deadline"
        if event.intent_id in self._ended:
            yield "the intent ended before"

    def _begin_again(self, fork_block_num: int) -> None:
        """What was mined in replaced blocks is under way again."""
        mined = self._mined_in.items()
        for identity in [known for known, block_num in mined if block_num >= fork_block_num]:
            del self._mined_in[identity]
            del self._ended[identity]

    def _end(self, identity: bytes, succeeded: bool) -> Iterator[str]:
        if identity not in self._facts.transactions:
            yield "the intent was never requested"
        if identity in self._ended:
            yield "the intent ended before"
        self._ended[identity] = succeeded


def _approval(
    event: events.TransactionRequested, channel: ChannelFacts, adjudicator: bytes
) -> Iterator[str]:
    """A token lets the adjudicator take our share of the channel, or nothing."""
    prefund = channel.prefund()
    if prefund is None or [exit_.asset for exit_ in prefund.outcome] != [event.to]:
        yield "it does not go to the channel's token"
    spender, amount = event.data[4:36], event.data[36:]
    if event.data[:4] != APPROVE_SELECTOR or len(event.data) != 68 or spender[12:] != adjudicator:
        yield "it is no approval for the adjudicator"
        return
    deposits = channel.deposits()
    share = deposits[channel.my_index] if deposits and channel.my_index is not None else 0
    if int.from_bytes(amount, "big") > share:
        yield "it approves more than our share of the channel"


_OBJECTIVE_EVENTS = (
    events.ObjectiveApproved
    | events.ObjectiveRejected
    | events.ObjectiveCranked
    | events.ObjectiveCompleted
    | events.ObjectiveParamsRecorded
)


class ObjectiveCheck(Check):
    """Objectives are named by what they are for, and end once."""

    name = "objectives"
    judges = (*get_args(_OBJECTIVE_EVENTS), events.ObjectiveCreated)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._ended: set[bytes] = set()

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if isinstance(event, events.ObjectiveCreated):
            yield from self._created(event)
            return
        if not isinstance(event, _OBJECTIVE_EVENTS):
            return
        if event.objective_id not in self._facts.objectives:
            yield f"{entry.name} names an objective that was never created"
        # The crank that ends an objective is itself recorded, right behind the end.
        if event.objective_id in self._ended and not isinstance(event, events.ObjectiveCranked):
            yield f"{entry.name} of an objective that ended before"
        if isinstance(event, events.ObjectiveCompleted | events.ObjectiveRejected):
            self._ended.add(event.objective_id)

    def _created(self, event: events.ObjectiveCreated) -> Iterator[str]:
        if event.objective_id in self._facts.objectives:
            yield "the objective was created before"
        if event.objective_type not in tuple(ObjectiveType):
            yield f"no objective is called {event.objective_type}"
            return
        kind = ObjectiveType(event.objective_type)
        number = 0
        while objective_id(kind, event.channel_id, number) in self._ended and kind in LEAVING:
            number += 1
        if objective_id(kind, event.channel_id, number) != event.objective_id:
            yield "its id is not that of its type and channel"
