"""Signatures that are none: a simulation needs 65 bytes where a signature stands, and no key.

What is made here verifies nowhere: v is 0, which every check of this node and the contracts refuse
(M9), and s is above the order's half. Whoever reads an answer can tell it by that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from protocols.crypto import Signer, keccak256
from protocols.draft import Context
from protocols.types import Address, Bytes32, Signature

_NO_V = b"\x00"
_HIGH_S = b"\xff" * 32
_FROZEN = (bytes, str, int, float, bool, type(None), type, ModuleType, BuiltinFunctionType)


def placeholder(signer: Address, hash32: Bytes32) -> Signature:
    """65 bytes that stand for the signature of that party; the same for the same."""
    return keccak256(b"assumed signature|" + signer + hash32) + _HIGH_S + _NO_V


def is_placeholder(signature: bytes) -> bool:
    """Whether the bytes were made here."""
    return signature[32:] == _HIGH_S + _NO_V


class PlaceholderSigner:
    """Stands where the node's signer does, and knows its address alone."""

    __slots__ = ("address",)

    def __init__(self, address: Address) -> None:
        self.address = address

    def __call__(self, hash32: Bytes32) -> Signature:
        """A placeholder of ours."""
        return placeholder(self.address, hash32)


def for_no_chain(hash32: Bytes32, signature: Signature, signer: Address) -> Signature:
    """A form that call data can be built of; the contracts refuse it as well."""
    return signature[:64] + b"\x1b"


def _knows_no_head(length: int, root: Bytes32) -> bool:
    return False


def keyless(context: Context) -> Context:
    """The same rules of the same node, without its key. Fails if any key can still be reached."""
    found = replace(
        context,
        signer=PlaceholderSigner(context.me),
        for_chain=for_no_chain,
        # What knows the log's heads holds the node's rooms.
        has_head=_knows_no_head,
    )
    keys = keys_within(found)
    assert not keys, f"a simulation may reach no key, and reaches {keys}"
    return found


def keys_within(root: object) -> list[str]:
    """The kinds of all signers and secrets that can be reached from an object by its attributes,
    closures, defaults, bound selves and members."""
    found: list[str] = []
    seen: set[int] = set()
    waiting: list[object] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _FROZEN) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Signer) or any("secret" in name for name in _attributes(item)):
            found.append(type(item).__name__)
            continue
        waiting.extend(_reached_from(item))
    return found


def _attributes(item: object) -> list[str]:
    names = list(getattr(item, "__dict__", ()))
    for kind in type(item).__mro__:
        slots = vars(kind).get("__slots__", ())
        names.extend([slots] if isinstance(slots, str) else slots)
    return names


def _reached_from(item: Any) -> Iterable[object]:
    if isinstance(item, FunctionType):
        yield from (cell.cell_contents for cell in item.__closure__ or ())
        yield from item.__defaults__ or ()
        yield from (item.__kwdefaults__ or {}).values()
        return
    if isinstance(item, partial):
        yield from (item.func, item.args, item.keywords)
        return
    if isinstance(item, MethodType):
        yield item.__self__
        yield item.__func__
        return
    if isinstance(item, Mapping):
        yield from item.keys()
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
    names = item.__struct_fields__ if isinstance(item, Struct) else _attributes(item)
    for name in names:
        value = getattr(item, name, None)
        if value is not None:
            yield value
