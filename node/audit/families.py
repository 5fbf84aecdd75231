"""The log's companions: outbox, signed turns, index and length say what the records say."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.expected import Difference, ExpectedIndex, expected_blocks, expected_turns
from node.audit.messagepack import unpack
from node.store import kv
from node.store.damage import file_in
from node.store.kv import KeyValueDamaged
from protocols.channel import PREFUND_TURN
from protocols.effects import message_key, reading_key, transaction_key
from protocols.node_state import NodeState
from protocols.transactions import is_pending

KeyAndValue = tuple[bytes, bytes]


class FamilyCheck(Check):
    """Gathers from the records what each family must hold; compares when all were read."""

    name = "families"
    is_of_channels = False

    def __init__(self) -> None:
        self._turns = expected_turns()
        self._index = ExpectedIndex()
        self._blocks = expected_blocks()

    def take(self, entries: Sequence[Entry]) -> Iterable[tuple[int, str]]:
        """Note what these records must have put beside themselves."""
        self._index.take(entries)
        self._turns.take(entries)
        self._blocks.take(entries)
        return ()

    def finish(self, ground: Ground) -> Iterator[Fault]:
        """Each family that says something else.

        Without a state, because the fold could not be finished, the outbox is only read.
        """
        reader = ground.reader
        count = ground.record_count
        yield from _family(kv.SIGNED_TURNS, lambda: self._turns.difference(reader, count))
        yield from _family(kv.ENTITY, lambda: self._index.difference(reader))
        yield from _family(kv.META, lambda: self._blocks.difference(reader, count))
        try:
            outbox = dict(reader.entries(kv.OUTBOX))
        except KeyValueDamaged as error:
            yield _unreadable(kv.OUTBOX, error)
            return
        if ground.state is not None:
            yield from (Fault(message) for message in _outbox_faults(outbox, ground.state))


def _unreadable(family: str, error: KeyValueDamaged) -> Fault:
    message = f"family {family} cannot be read (it holds no records): {error}"
    return Fault(message, file=file_in(str(error)))


def _family(family: str, compare: Callable[[], Difference]) -> Iterator[Fault]:
    try:
        difference = compare()
    except KeyValueDamaged as error:
        yield _unreadable(family, error)
        return
    for what, kind in (("misses", "missing"), ("has", "extra"), ("differs at", "changed")):
        count = getattr(difference, kind)
        if count:
            first = difference.first[kind].hex()
            yield Fault(f"family {family} {what} {count} entries, the first 0x{first}")


def _outbox_faults(outbox: dict[bytes, bytes], state: NodeState) -> Iterator[str]:
    expected = {
        transaction_key(identity)
        for identity in state.transactions
        if is_pending(state.transactions[identity])
    }
    for channel_id in state.channels:
        channel = state.channels[channel_id]
        is_asked = channel.virtual is None and channel.signed_by_me(PREFUND_TURN)
        if channel.unread and (is_asked or channel.halt is not None):
            expected.add(reading_key(channel_id))
    for address in state.peers:
        peer = state.peers[address]
        for sequence in range(peer.acknowledged + 1, peer.sent + 1):
            expected.add(message_key(address, sequence))
    for key in sorted(expected - outbox.keys()):
        yield f"the outbox misses 0x{key.hex()}: the world was never told, or never will be"
    for key in sorted(outbox.keys() - expected):
        yield f"the outbox still holds 0x{key.hex()}, which was settled"
    for key in sorted(expected & outbox.keys()):
        if _key_of(outbox[key]) != key:
            yield f"the outbox holds another effect under 0x{key.hex()}"


def _key_of(effect: bytes) -> bytes | None:
    """The key an effect belongs under, from its own bytes."""
    try:
        match unpack(effect):
            case ["message", bytes(peer), int(sequence), bytes()] if 0 <= sequence < 2**64:
                return message_key(peer, sequence)
            case ["transaction" | "broadcast", bytes(intent_id), *_]:
                return transaction_key(intent_id)
            case ["reading", bytes(channel_id), bytes()]:
                return reading_key(channel_id)
    except ValueError:
        pass
    return None
