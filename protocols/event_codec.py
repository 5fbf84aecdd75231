"""Events as bytes and as JSON, and the content id of each.

Bytes are raw in MessagePack and lower-case 0x hex in JSON; an `Amount32` is a uint256, big-endian,
and a decimal string in JSON. An optional field that is None is left out of the JSON. A record's
version and time are stored once, in the record; `json_payload` puts them back as `event_version`
and `timestamp_ms`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from protocols import (
    app_events,
    chain_events,
    events,
    exit_events,
    halt_events,
    head_events,
    ledger_events,
    payment_events,
    resumption_events,
    transaction_events,
    virtual_events,
)
from protocols.crypto import keccak256
from protocols.event import Event
from protocols.types import amount_from_bytes, to_hex


def _concrete(module_names: tuple[str, ...]) -> list[type[Event]]:
    found = [cls for cls in Event.__subclasses__() if cls.NAME]
    return [cls for name in module_names for cls in found if cls.__module__ == name]


_ROOMS = (
    events.__name__,
    chain_events.__name__,
    payment_events.__name__,
    ledger_events.__name__,
    virtual_events.__name__,
    head_events.__name__,
    resumption_events.__name__,
    transaction_events.__name__,
    exit_events.__name__,
    halt_events.__name__,
    app_events.__name__,
)
EVENTS: dict[str, type[Event]] = {cls.NAME: cls for cls in _concrete(_ROOMS)}
"""Every event of the current version, by name."""

CATALOGUE: tuple[str, ...] = tuple(EVENTS)[:20]
"""The twenty names of the original catalogue."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODERS: dict[str, msgspec.msgpack.Decoder[Event]] = {
    name: msgspec.msgpack.Decoder(cls) for name, cls in EVENTS.items()
}


def encode_payload(event: Event) -> bytes:
    """The event's fields as a MessagePack array, in the order of the class."""
    return _ENCODER.encode(event)


def payload_decoder(name: str) -> Callable[[bytes | msgspec.Raw], Event]:
    """What turns payloads of the event `name` into events; raises KeyError for an unknown one."""
    return _DECODERS[name].decode


def decode_payload(name: str, payload: bytes | msgspec.Raw) -> Event:
    """The inverse; raises KeyError for an unknown name, msgspec.ValidationError for bad fields."""
    return _DECODERS[name].decode(payload)


def _json_value(value: Any, is_amount: bool) -> Any:
    if isinstance(value, tuple):
        return [_json_value(item, is_amount) for item in value]
    if is_amount:
        return str(amount_from_bytes(value))
    return to_hex(value) if isinstance(value, bytes) else value


def _amount_fields(cls: type[Event]) -> frozenset[str]:
    # By the annotation's spelling: as types, Amount32 and Bytes32 are one and the same.
    hints = cls.__annotations__.items()
    return frozenset(name for name, hint in hints if hint in ("Amount32", "tuple[Amount32, ...]"))


AMOUNT_FIELDS: dict[str, frozenset[str]] = {n: _amount_fields(cls) for n, cls in EVENTS.items()}
"""Which fields of an event are amounts: decimal strings in JSON."""


def json_payload(event: Event, version: int, time_ms: int) -> dict[str, Any]:
    """The payload as JSON values, with the record's version and time put back."""
    payload: dict[str, Any] = {"event_version": version, "timestamp_ms": time_ms}
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if value is not None:
            payload[field] = _json_value(value, field in AMOUNT_FIELDS[event.NAME])
    return payload


def canonical_json(payload: dict[str, Any]) -> bytes:
    """Sorted keys, no white space, UTF-8: the form that is hashed."""
    text = json.dumps(
        payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def event_id(name: str, payload: dict[str, Any]) -> bytes:
    """keccak256("ev1|" + name + "|" + canonical JSON): 32 bytes, the event's content id."""
    return keccak256(b"ev1|" + name.encode() + b"|" + canonical_json(payload))
