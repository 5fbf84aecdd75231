"""Heads: what was signed and received is over these very records, and the stored tree is theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.reader import LogReader
from node.store.damage import file_in
from node.store.kv import TREE, KeyValueDamaged
from node.store.log_tree import node_key
from node.verify.claims import signature_fault
from protocols.head_events import LogHeadDisputed, LogHeadReceived, LogHeadSigned
from protocols.log_head import LogHead, LogOwner, head_hash
from protocols.mountain_range import MountainRange
from protocols.peer_heads import FORKED, SHORTENED

_KINDS = frozenset((LogHeadSigned, LogHeadReceived, LogHeadDisputed))


class HeadCheck(Check):
    """Builds the tree from the records it is shown, and holds every head against it."""

    name = "heads"
    is_of_channels = False

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._range = MountainRange()
        self._waiting: list[bytes] = []
        """Chain hashes of records that were not taken yet, and of those taken a moment ago."""
        self._held: dict[bytes, LogHead] = {}
        """The longest head of each peer."""
        self._nodes: Iterator[tuple[bytes, bytes]] = iter(())
        """Of the stored tree, as far as they were not compared."""
        self._faults: list[Fault] = []

    def stops(self, reader: LogReader) -> Iterable[int]:
        """At the start: the stored nodes are read beside the records."""
        self._nodes = reader.entries(TREE)
        return ()

    def chained(self, chain_hashes: Sequence[bytes]) -> None:
        """The leaves of the records to come."""
        self._waiting += chain_hashes

    def take(self, entries: Sequence[Entry]) -> Iterator[tuple[int, str]]:
        """What is wrong with the heads among these records."""
        place = 0
        for number in [n for n, entry in enumerate(entries) if type(entry.event) in _KINDS]:
            entry = entries[number]
            self._grow(number - place)
            place = number
            for message in self._head_faults(entry):
                yield entry.seq, message
        self._grow(len(entries) - place)

    def finish(self, ground: Ground) -> Iterator[Fault]:
        """Where the stored tree is not these records'."""
        extra = 0
        while self._next_node() is not None:
            extra += 1
        yield from self._faults
        if extra:
            yield Fault(f"family tree has {extra} nodes over records that are not there")

    def _grow(self, count: int) -> None:
        """Take in the next records."""
        made = self._range.extend(self._waiting[:count])
        del self._waiting[:count]
        for height, end, node in made:
            stored = self._next_node()
            if stored is not None and stored != (node_key(height, end), node):
                first = end - (1 << height)
                self._faults.append(Fault(f"family tree differs over records {first} to {end - 1}"))
                # Behind a wrong or missing node every other one would seem wrong.
                self._nodes = iter(())

    def _next_node(self) -> tuple[bytes, bytes] | None:
        try:
            return next(self._nodes, None)
        except KeyValueDamaged as error:
            self._nodes = iter(())
            message = f"family tree cannot be read (it holds no records): {error}"
            self._faults.append(Fault(message, file=file_in(str(error))))
            return None

    def _head_faults(self, entry: Entry) -> Iterator[str]:
        match entry.event:
            case LogHeadSigned() as event:
                yield from self._signed(entry.seq, event)
            case LogHeadReceived() as event:
                yield from self._received(event)
            case LogHeadDisputed() as event:
                yield from self._disputed(event)

    def _signature(self, what: str, node: bytes, head: LogHead) -> Iterator[str]:
        ours = self._facts.node
        if ours is None:
            return
        owner = LogOwner(ours.chain_id, ours.adjudicator, node)
        hash32 = head_hash(owner, head.length, head.root)
        fault = signature_fault(what, hash32, head.signature, node)
        if fault is not None:
            yield fault

    def _signed(self, seq: int, event: LogHeadSigned) -> Iterator[str]:
        if event.length != seq or seq == 0:
            yield f"the head is of {event.length} records, {seq} are before it"
            return
        if event.root != self._range.root():
            yield f"the root over {seq} records is 0x{self._range.root().hex()}"
        head = LogHead(event.length, event.root, event.signature)
        yield from self._signature("the head", self._facts.me, head)

    def _received(self, event: LogHeadReceived) -> Iterator[str]:
        head = LogHead(event.length, event.root, event.signature)
        held = self._held.get(event.peer)
        if held is not None and head.length <= held.length:
            yield f"a head of {head.length} records replaces one of {held.length}"
        yield from self._signature("the peer's head", event.peer, head)
        self._held[event.peer] = head

    def _disputed(self, event: LogHeadDisputed) -> Iterator[str]:
        held = LogHead(event.held_length, event.held_root, event.held_signature)
        shown = LogHead(event.shown_length, event.shown_root, event.shown_signature)
        if held != self._held.get(event.peer):
            yield "the dispute is not about the head that is held"
        is_shorter = shown.length < held.length
        is_other = shown.length == held.length and shown.root != held.root
        if (event.kind, is_shorter, is_other) not in (
            (SHORTENED, True, False),
            (FORKED, False, True),
        ):
            yield f"the two heads are not {event.kind}"
        yield from self._signature("the head that was held", event.peer, held)
        yield from self._signature("the head that was shown", event.peer, shown)
