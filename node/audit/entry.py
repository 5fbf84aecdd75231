"""One record as the audit reads it: by the `msgpack` package, not by the codec that wrote it.

Anyone can write this reader again from the docs. It knows the record's array, the events' field
lists and their widths; it judges nothing else.
"""

from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import inspect

from node.audit.messagepack import pack, unpack
from node.store.errors import NewerLogFormat
from node.store.upcasters import UPCASTERS, upcast
from protocols.event_codec import AMOUNT_FIELDS, EVENTS
from protocols.events import Event
from protocols.types import UINT64_MAX

_FIELD_COUNT = 6


class Undecodable(Exception):
    """The bytes are no record this program knows."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record: its head, its fields by name, and the event they make."""

    seq: int
    version: int
    time_ms: int
    cause_seq: int | None
    name: str
    payload: list[Any]
    """The fields as written, in order."""
    event: Event
    """The event at today's version."""
    raw: bytes


@dataclass(frozen=True, slots=True)
class Shape:
    """What a field's bytes must look like."""

    kind: type
    optional: bool = False
    length: int | None = None
    item: type = bytes
    """Of a list: what is in it."""


def decode_entry(raw: bytes) -> Entry:
    """The record in `raw`; raises `Undecodable` with the reason."""
    try:
        record = unpack(raw)
    except ValueError as error:
        raise Undecodable(f"not MessagePack: {error}") from error
    if not isinstance(record, list) or len(record) != _FIELD_COUNT:
        raise Undecodable("not an array of six")
    version, seq, time_ms, cause_seq, name, payload = record
    for what, value in (("version", version), ("seq", seq), ("time_ms", time_ms)):
        _require_uint(what, value)
    if cause_seq is not None:
        _require_uint("cause_seq", cause_seq)
    if not isinstance(name, str) or not isinstance(payload, list):
        raise Undecodable("the name is no text or the payload no array")
    event = _event(name, version, payload)
    return Entry(seq, version, time_ms, cause_seq, name, payload, event, raw)


def encode_entry(entry: Entry) -> bytes:
    """The record written by the independent packer: equal bytes mean one spelling, the shortest."""
    head = [entry.version, entry.seq, entry.time_ms, entry.cause_seq, entry.name]
    return pack([*head, entry.payload])


def json_fields(entry: Entry) -> dict[str, Any]:
    """The payload as JSON values, built here from the raw fields and nothing of the codec's."""
    fields: dict[str, Any] = {"event_version": entry.version, "timestamp_ms": entry.time_ms}
    amounts = AMOUNT_FIELDS[entry.name]
    names = entry.event.__struct_fields__
    for name, value in zip(names, entry.payload, strict=False):
        if value is None:
            continue
        fields[name] = _json_value(value, name in amounts)
    return fields


def _json_value(value: Any, is_amount: bool) -> Any:
    if isinstance(value, list):
        return [_json_value(item, is_amount) for item in value]
    if isinstance(value, bytes):
        return str(int.from_bytes(value, "big")) if is_amount else "0x" + value.hex()
    return value


def _require_uint(what: str, value: object) -> None:
    if type(value) is not int or not 0 <= value <= UINT64_MAX:
        raise Undecodable(f"{what} is no number from 0 to 2**64 - 1")


def _event(name: str, version: int, payload: list[Any]) -> Event:
    event_class = EVENTS.get(name)
    if event_class is None or version > event_class.VERSION:
        raise Undecodable(f"event {name} of version {version} needs a later program")
    try:
        fields = upcast(name, version, event_class.VERSION, payload, UPCASTERS)
    except NewerLogFormat as error:
        raise Undecodable(str(error)) from error
    shapes = SHAPES[name]
    if len(fields) != len(shapes):
        raise Undecodable(f"{name} has {len(shapes)} fields, found {len(fields)}")
    values = []
    for (field, shape), value in zip(shapes.items(), fields, strict=True):
        _require_shape(f"{name}.{field}", shape, value)
        is_many = isinstance(value, list)
        values.append(tuple(value) if is_many else value)
    return event_class(*values)


def _require_shape(field: str, shape: Shape, value: object) -> None:
    if value is None and shape.optional:
        return
    items = value if shape.kind is list and isinstance(value, list) else [value]
    kind = shape.item if shape.kind is list else shape.kind
    if shape.kind is list and not isinstance(value, list):
        raise Undecodable(f"{field} is no array")
    for item in items:
        if type(item) is not kind:
            raise Undecodable(f"{field} is {type(item).__name__}, not {kind.__name__}")
        if shape.length is not None and isinstance(item, bytes) and len(item) != shape.length:
            raise Undecodable(f"{field} has {len(item)} bytes, not {shape.length}")


def _shape(hint: Any) -> Shape:
    described = inspect.type_info(hint)
    if isinstance(described, inspect.UnionType):
        inner = next(option for option in get_args(hint) if option is not type(None))
        shape = _shape(inner)
        return Shape(shape.kind, optional=True, length=shape.length)
    if isinstance(described, inspect.VarTupleType):
        of_item = _shape(get_args(hint)[0])
        return Shape(list, length=of_item.length, item=of_item.kind)
    if isinstance(described, inspect.BytesType):
        return Shape(bytes, length=described.min_length)
    kinds = {inspect.IntType: int, inspect.StrType: str, inspect.BoolType: bool}
    return Shape(kinds[type(described)])


SHAPES: dict[str, dict[str, Shape]] = {
    name: {
        field: _shape(hint)
        for field, hint in get_type_hints(event_class, include_extras=True).items()
        if field in event_class.__struct_fields__
    }
    for name, event_class in EVENTS.items()
}
"""By event and field: what its bytes must look like."""
