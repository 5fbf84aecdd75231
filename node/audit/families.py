"""The log's companions: outbox, signed turns, index and length say what the records say."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.messagepack import unpack
from node.audit.reader import LogReader
from node.store import kv
from node.store.batch import (
    ANSWERS_REQUEST,
    BLOCK_PREFIX,
    INDEXED_FIELDS,
    NO_TARGET,
    block_key,
    request_entity,
    turn_key,
)
from node.store.damage import file_in
from node.store.index import single_keys
from node.store.kv import KeyValueDamaged
from node.store.record import seq_key
from protocols.channel import PREFUND_TURN
from protocols.effects import message_key, reading_key, transaction_key
from protocols.events import ChainBlockProcessed, StateSigned
from protocols.ledger_events import (
    LedgerUpdateProposed,
    LedgerUpdateReceived,
    LedgerUpdateSigned,
)
from protocols.node_state import NodeState
from protocols.resumption_events import LedgerJumpSigned, LedgerResumed
from protocols.transactions import is_pending

KeyAndValue = tuple[bytes, bytes]

_SIGNING = (
    StateSigned | LedgerUpdateProposed | LedgerUpdateSigned | LedgerJumpSigned | LedgerResumed
)
"""What puts a signature of ours under a state (M6)."""
_OF_A_GUARANTEE = LedgerUpdateProposed | LedgerUpdateReceived
"""What is found again by the channel it guarantees, too."""


class FamilyCheck(Check):
    """Gathers from the records what each family must hold; compares when all were read."""

    name = "families"

    def __init__(self) -> None:
        self._turns: dict[bytes, bytes] = {}
        self._index: set[bytes] = set()
        self._blocks: dict[bytes, bytes] = {}

    def take(self, entries: Sequence[Entry]) -> Iterable[tuple[int, str]]:
        """Note what these records must have put beside themselves."""
        for entry in entries:
            event, key = entry.event, seq_key(entry.seq)
            for field in INDEXED_FIELDS[entry.name]:
                self._index.add(getattr(event, field) + key)
            if isinstance(event, _OF_A_GUARANTEE) and event.target != NO_TARGET:
                self._index.add(event.target + key)
            request_id = getattr(event, "request_id", "")
            if request_id and event.NAME in ANSWERS_REQUEST:
                self._index.add(request_entity(request_id) + key)
            if isinstance(event, _SIGNING):
                self._turns[turn_key(event.channel_id, event.turn_num)] = event.state_hash
            elif isinstance(event, ChainBlockProcessed):
                self._blocks[block_key(event.block_num)] = key
        return ()

    def finish(self, ground: Ground) -> Iterator[Fault]:
        """Each family that says something else.

        Without a state, because the fold could not be finished, the outbox is only read.
        """
        reader = ground.reader
        yield from _family(reader, kv.SIGNED_TURNS, self._turns)
        yield from _family(reader, kv.ENTITY, dict.fromkeys(self._index, b""), _index_records)
        yield from _family(reader, kv.SNAPSHOTS, {})
        yield from _family(reader, kv.META, self._blocks, _blocks)
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


def _index_records(entries: Iterable[KeyAndValue]) -> dict[bytes, bytes]:
    """The index with an entry for each record, however many one stands for."""
    found: dict[bytes, bytes] = {}
    for key, value in entries:
        try:
            found.update(dict.fromkeys(single_keys(key, value), b""))
        except ValueError:
            found[key] = value
    return found


def _blocks(entries: Iterable[KeyAndValue]) -> dict[bytes, bytes]:
    """Which record processed which block; what else is said of the log is not compared."""
    return {key: value for key, value in entries if key.startswith(BLOCK_PREFIX)}


def _family(
    reader: LogReader,
    family: str,
    expected: dict[bytes, bytes],
    gathered: Callable[[Iterable[KeyAndValue]], dict[bytes, bytes]] = dict,
) -> Iterator[Fault]:
    try:
        found = gathered(reader.entries(family))
    except KeyValueDamaged as error:
        yield _unreadable(family, error)
        return
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    changed = [key for key in expected.keys() & found.keys() if expected[key] != found[key]]
    for what, keys in (("misses", missing), ("has", extra), ("differs at", changed)):
        if keys:
            first = min(keys).hex()
            yield Fault(f"family {family} {what} {len(keys)} entries, the first 0x{first}")


def _outbox_faults(outbox: dict[bytes, bytes], state: NodeState) -> Iterator[str]:
    expected = {
        transaction_key(identity)
        for identity in state.transactions
        if is_pending(state.transactions[identity])
    }
    for channel_id in state.channels:
        channel = state.channels[channel_id]
        is_asked = channel.virtual is None and channel.signed_by_me(PREFUND_TURN)
        if channel.unread and is_asked:
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
