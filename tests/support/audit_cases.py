"""Histories to audit: what two honest nodes recorded, and the same with one thing changed."""

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from node.audit.entry import Entry, decode_entry
from node.audit.facts import Facts
from node.store.log import EventLog
from node.store.record import encode_record
from node.verify.claims import faults
from protocols.commands import CloseChannel
from protocols.crypto import keccak256
from protocols.events import Event, TransactionMined, TransactionSubmitted
from tests.support.builders import CHANNEL, open_command
from tests.support.network import Network, pay
from tests.support.recorded_nodes import demo

History = list[Event]
Kind = TypeVar("Kind", bound=Event)


class Check(Protocol):
    """A family of checks that judges one record after another."""

    def check(self, entry: Entry) -> Any: ...


class MakesCheck(Protocol):
    """Its class."""

    def __call__(self, facts: Facts) -> Check: ...


@lru_cache
def _histories() -> dict[str, tuple[Event, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        world = demo(Path(folder), payment_count=6)
        world.stop()
        found = {}
        for name in ("alice", "bob"):
            log = EventLog.open(Path(folder) / name, read_only=True)
            found[name] = tuple(event for _, event in log.read_events())
            log.close()
    return found


def alice() -> History:
    """What the payer recorded: open, six payments, close, clean stop."""
    return list(_histories()["alice"])


def bob() -> History:
    """What the payee recorded of the same."""
    return list(_histories()["bob"])


TOKEN = b"\x70" * 20


@lru_cache
def _token_history() -> tuple[Event, ...]:
    network = Network(depth=0)
    for node in network.nodes.values():
        node.assets = frozenset((TOKEN,))
    network.alice.feed(open_command(asset=TOKEN))
    network.settle()
    pay(network, 30, 1)
    network.settle()
    network.alice.feed(CloseChannel(CHANNEL))
    network.settle()
    history = [event for _, event in network.alice.log]
    return as_audited(history)


def alice_with_a_token() -> History:
    """What the payer of a token channel records: open, one payment of 30, close."""
    return list(_token_history())


def as_audited(history: Sequence[Event]) -> tuple[Event, ...]:
    """The history with true hashes: the model's chain makes its own up; an audit looks at them."""
    hashes = {e.tx_hash: keccak256(e.raw) for e in history if isinstance(e, TransactionSubmitted)}
    return tuple(
        replace(event, tx_hash=hashes[event.tx_hash])
        if isinstance(event, TransactionSubmitted | TransactionMined)
        else event
        for event in history
    )


def nth(history: Sequence[Event], kind: type[Kind], index: int = 0) -> tuple[int, Kind]:
    """Place and value of the event of that kind with that index; negative from the end."""
    found = [(seq, event) for seq, event in enumerate(history) if isinstance(event, kind)]
    return found[index]


def changed(history: History, kind: type[Event], index: int = 0, /, **fields: Any) -> History:
    """The history with some fields of one event changed."""
    seq, event = nth(history, kind, index)
    return [*history[:seq], replace(event, **fields), *history[seq + 1 :]]


def without(history: History, kind: type[Event], index: int = 0) -> History:
    """The history without one event."""
    seq, _ = nth(history, kind, index)
    return [*history[:seq], *history[seq + 1 :]]


def inserted(history: History, event: Event, before: type[Event], index: int = 0) -> History:
    """The history with one event more, before another."""
    seq, _ = nth(history, before, index)
    return [*history[:seq], event, *history[seq:]]


def doubled(history: History, kind: type[Event], index: int = 0) -> History:
    """The history with one event twice in a row."""
    seq, event = nth(history, kind, index)
    return [*history[: seq + 1], event, *history[seq + 1 :]]


def entries(history: Sequence[Event]) -> list[Entry]:
    """The history as the audit reads it."""
    return [decode_entry(encode_record(seq, 5, None, event)) for seq, event in enumerate(history)]


def messages(make: MakesCheck, history: Sequence[Event]) -> list[tuple[int, str]]:
    """(seq, message) of all that one family says about a history, its ends included."""
    facts = Facts()
    check = make(facts)
    found = []
    for entry in entries(history):
        found += [(entry.seq, message) for message in faults(check.check(entry))]
        facts.apply(entry.event)
    finish = getattr(check, "finish", None)
    if finish is not None:
        found += [(len(history), fault.message) for fault in finish(None)]
    return found


def says(make: MakesCheck, history: Sequence[Event], words: str, seq: int = -1) -> None:
    """Assert that the family says these words of the record there; negative from the end."""
    found = messages(make, history)
    place = seq % len(history)
    assert any(at == place and words in message for at, message in found), found
