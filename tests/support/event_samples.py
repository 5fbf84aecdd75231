"""One event of every kind with every field filled: for golden bytes and round trips.

Values depend on the class and field name alone, so that the same event always has the same bytes.
"""

from hashlib import sha256
from typing import Any, get_args, get_type_hints

import msgspec

from protocols.events import Event

SAMPLE_TIME_MS = 1_704_067_200_000
"""The record time of every sample: 2024-01-01."""

_TEXTS = {
    "objective_type": "DirectFund",
    "memo": 'two coffees, "Zürich" \\ 東京\n',
    "error_code": "signature_invalid",
    "kind": "deposit",
    "log_name": "Deposited",
    "file_name": "000017.log",
}


def sample(event_class: type[Event]) -> Event:
    """The event of this class."""
    hints = get_type_hints(event_class, include_extras=True)
    fields = event_class.__struct_fields__
    return event_class(*(_value(event_class.NAME, name, hints[name]) for name in fields))


def _value(event_name: str, field: str, hint: Any) -> Any:
    described = msgspec.inspect.type_info(hint)
    if isinstance(described, msgspec.inspect.UnionType):
        hint = next(option for option in get_args(hint) if option is not type(None))
        described = msgspec.inspect.type_info(hint)
    seed = sha256(f"{event_name}|{field}".encode()).digest()
    if isinstance(described, msgspec.inspect.BoolType):
        return True
    if isinstance(described, msgspec.inspect.IntType):
        return int.from_bytes(seed[:5], "big")
    if isinstance(described, msgspec.inspect.StrType):
        return _TEXTS.get(field, f"{field} of {event_name}")
    if isinstance(described, msgspec.inspect.VarTupleType):
        item = get_args(hint)[0]
        return tuple(_value(event_name, f"{field}{index}", item) for index in range(2))
    assert isinstance(described, msgspec.inspect.BytesType), f"no sample for {hint}"
    length = described.min_length if described.min_length is not None else 97
    return (seed * (length // len(seed) + 1))[:length]
