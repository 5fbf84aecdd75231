"""How a lie of the endpoint in use goes: told of blocks that are true, and judged when they count.

The inputs are those that the chain room hands over: logs that are observed, and confirmed where
nobody else is asked; a fork of blocks that are the same where the endpoint is outvoted, or tells
the truth before they count. Blocks are read again after that fork and after a restart, and what
does not count yet is compared with what the endpoint tells when it is to count.
"""

from __future__ import annotations

from msgspec.structs import replace

from node.whatif import assumptions as assume
from node.whatif.chain_room import ChainRoom
from node.whatif.course import Course, Going
from node.whatif.disputes import shown_by_other
from node.whatif.endpoints import Verdict
from protocols import inputs
from protocols.errors import UnknownChannel
from protocols.types import Bytes32, ChannelId


class Lies:
    """What was told falsely and what was hidden, as long as that is not judged."""

    def __init__(self, course: Course, room: ChainRoom) -> None:
        self._course = course
        self._room = room
        self._invented: list[inputs.ChainLog] = []
        self._hidden: list[inputs.ChainLog] = []

    def tell(self, assumption: assume.EndpointLies) -> Going:
        """The node is told it, or not told what is. Raises UnknownChannel, ChallengeImpossible."""
        course, room = self._course, self._room
        channel, now_s = course.channel(assumption.channel_id), course.now_s
        if not channel.turns:
            raise UnknownChannel(channel.channel_id)
        room.truth.begin(channel)
        true = room.truth.of(channel, now_s)
        room.chain.next_block(course.state, channel.channel_id)
        if assumption.lie == assume.LieKind.INVENTS_DEPOSIT:
            room.no_deposit.add(channel.channel_id)
            facts = room.chain.deposited(true, assumption.amount)
        else:
            candidate = shown_by_other(course.state, channel, assumption.turn_num)
            facts = room.chain.challenged(true, candidate, now_s, channel.counterparty)
        logs = [f for f in facts if isinstance(f, inputs.ChainLog) and not f.confirmed]
        room.is_undecided = True
        if assumption.hides:
            room.hidden.add(channel.channel_id)
            self._hidden += logs
            for log in logs:
                room.truth.take(log)
            return
        self._invented += logs
        for log in logs:
            yield from course.feed(log)

    def judge(self, channel_id: ChannelId, verdict: Verdict) -> Going:
        """Its block lies deep enough: it must still be told, by as many as the quorum."""
        room = self._room
        match verdict:
            case Verdict.BELIEVED:
                room.is_undecided = False
                for log in self._invented:
                    yield from self._course.feed(replace(log, confirmed=True))
                yield from self._counts()
            case Verdict.OUTVOTED | Verdict.FOUND_OUT:
                yield from self.come_out(channel_id)

    def come_out(self, channel_id: ChannelId) -> Going:
        """The endpoint in use is another, or tells the truth: all that does not count is forgotten
        and read again."""
        room = self._room
        room.hidden.discard(channel_id)
        if room.is_undecided:
            room.is_undecided = False
            yield from self._taken_back()

    def read_again(self) -> Going:
        """After a restart all is read anew from what counted on, of an endpoint that lies no more.

        What was made up is then missing in blocks that count: the core refutes it.
        """
        if not self._room.is_undecided:
            return
        self._room.is_undecided = False
        yield from self._read(self._true_logs())

    def _taken_back(self) -> Going:
        course, state = self._course, self._course.state
        logs = self._true_logs()
        receipts = [self._receipt(intent) for intent in sorted(state.unconfirmed.mined)]
        course.touched.update(dict.fromkeys(state.unconfirmed.channels))
        yield from course.feed(self._room.chain.taken_back(state))
        yield from self._read(logs)
        for receipt in receipts:
            yield from course.feed(receipt)

    def _read(self, logs: list[inputs.ChainLog]) -> Going:
        """Seen, and at once confirmed: their blocks are old."""
        for confirmed in (False, True):
            for log in logs:
                yield from self._course.feed(replace(log, confirmed=confirmed))
        yield from self._counts()

    def _counts(self) -> Going:
        course = self._course
        self._invented, self._hidden = [], []
        yield from course.feed(self._room.chain.head(course.now_s))

    def _true_logs(self) -> list[inputs.ChainLog]:
        """What is in the blocks that do not count yet, in order."""
        false = {(log.block_hash, log.log_index) for log in self._invented}
        seen = [
            log
            for log in self._room.chain.confirmed(self._course.state)
            if (log.block_hash, log.log_index) not in false
        ]
        return sorted((*seen, *self._hidden), key=lambda log: (log.block_num, log.log_index))

    def _receipt(self, intent_id: Bytes32) -> inputs.TransactionReceipt:
        """Of a transaction that was mined in a block that stands, and does not count yet."""
        known = self._course.state.transactions[intent_id]
        place, succeeded = (known.block_num, known.block_hash), not known.failure
        return inputs.TransactionReceipt(
            intent_id, known.tx_hash, *place, 0, 0, succeeded, known.failure
        )
