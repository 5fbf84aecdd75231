"""Ledgers that go on after a loss: only from what both know, and by the one move that outranks what
was forgotten (M27)."""

from collections.abc import Iterator
from typing import get_args

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.ledger_facts import LedgerFacts, state_of
from node.verify.claims import Said, Signed
from protocols import resumption_events
from protocols.errors import ProtocolError
from protocols.ledger import RESTORED_TURN_JUMP
from protocols.log_head import LogOwner, head_hash

LEADER, FOLLOWER = 0, 1
MoveEvent = resumption_events.LedgerJumpSigned | resumption_events.LedgerResumed


_OF_A_LEDGER = (
    resumption_events.LedgerResumptionTold | resumption_events.LedgerResumptionHeard | MoveEvent
)


class ResumptionCheck(Check):
    """M27 as far as ledgers go on."""

    name = "resumptions"
    judges = (resumption_events.HeldHeadCompared, *get_args(_OF_A_LEDGER))

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[Said]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if isinstance(event, resumption_events.HeldHeadCompared):
            yield from self._compared(event)
            return
        if not isinstance(event, _OF_A_LEDGER):
            return
        channel = self._facts.channels.get(event.channel_id)
        if channel is None or channel.ledger is None:
            yield f"{entry.name} names no open ledger of ours"
            return
        ledger = channel.ledger
        match event:
            case resumption_events.LedgerResumptionTold():
                yield from _told(channel, ledger, event)
            case resumption_events.LedgerJumpSigned():
                if channel.my_index != LEADER:
                    yield "only the leader makes the move"
                yield from self._move(channel, ledger, event)
                yield from _agreement(channel, ledger)
                leader = channel.participants[LEADER]
                yield Signed("the move", event.state_hash, event.signature, leader)
            case resumption_events.LedgerResumed():
                yield from self._resumed(channel, ledger, event)

    def _compared(self, event: resumption_events.HeldHeadCompared) -> Iterator[Said]:
        node = self._facts.node
        if node is None:
            return
        owner = LogOwner(node.chain_id, node.adjudicator, node.node_address)
        hashed = head_hash(owner, event.length, event.root)
        yield Signed("the head", hashed, event.signature, owner.node)
        if event.explained and not event.agrees and not self._facts.has_cut_tail:
            yield "no loss was recorded that explains it"

    def _move(self, channel: ChannelFacts, ledger: LedgerFacts, event: MoveEvent) -> Iterator[str]:
        """2^20 turns above what both signed, with the same balances."""
        # The answer to it may come late, when the ledger closes already.
        is_new = isinstance(event, resumption_events.LedgerJumpSigned) or channel.my_index
        if is_new and any(state.is_final for state in channel.states.values()):
            yield "a final state is signed: no running one follows (M8)"
        if event.turn_num != ledger.turn_num + RESTORED_TURN_JUMP:
            yield f"turn {event.turn_num} is not 2^20 above turn {ledger.turn_num} (M27)"
        try:
            state = state_of(ledger.fixed, ledger.asset, ledger.agreed, event.turn_num)
        except ProtocolError as error:
            yield f"no ledger can stand like that: {error}"
            return
        if state.state_hash() != event.state_hash:
            yield f"the move leads to state 0x{state.state_hash().hex()}"

    def _resumed(
        self, channel: ChannelFacts, ledger: LedgerFacts, event: resumption_events.LedgerResumed
    ) -> Iterator[Said]:
        yield from self._move(channel, ledger, event)
        if channel.my_index == FOLLOWER:
            yield from _agreement(channel, ledger)
        elif ledger.jump != (event.turn_num, event.state_hash):
            yield "we had not signed that move"
        signatures = (event.leader_signature, event.follower_signature)
        for who, signature in zip(channel.participants, signatures, strict=True):
            yield Signed("the move", event.state_hash, signature, who)


def _told(
    channel: ChannelFacts, ledger: LedgerFacts, event: resumption_events.LedgerResumptionTold
) -> Iterator[str]:
    if event.turn_num != ledger.turn_num:
        yield f"what both signed last is turn {ledger.turn_num}"
        return
    if not event.is_answer and not channel.is_close_only:
        yield "we had lost nothing to ask for"


def _agreement(channel: ChannelFacts, ledger: LedgerFacts) -> Iterator[str]:
    """Nothing is signed unless the other party said the same, and saw nothing that we lost."""
    if ledger.told != ledger.turn_num:
        yield "the other party was not told what we know"
    if ledger.heard is None:
        yield "the other party has not said what it knows (M27)"
        return
    turn_num, state_hash, agrees = ledger.heard
    known = state_of(ledger.fixed, ledger.asset, ledger.agreed, ledger.turn_num)
    if (turn_num, state_hash) != (ledger.turn_num, known.state_hash()):
        yield f"the other party said turn {turn_num}: the two do not agree (M27)"
    if channel.is_close_only and (channel.is_head_lost or not agrees):
        yield "the other party holds a head that our log does not contain (M27)"
