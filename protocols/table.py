"""Tables: dicts of frozen values that note which keys changed, and what they held before.

Whoever keeps something that follows from a table (a digest, a snapshot) takes the notes now and
then and pays for what changed, not for what there is. A `StoredTable` need not hold what it was
begun with: such a value is fetched when it is asked for, and stays where it is stored until it is
replaced. Where that is, and what the values mean, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

FETCHED_COUNT_MAX = 4_096
"""Fetched values that one table keeps: a few megabytes, enough for what a busy minute looks at, far
from what a node holds."""

Key = TypeVar("Key", bound=bytes)
Value = TypeVar("Value")

_get, _set, _delete = dict.get, dict.__setitem__, dict.__delitem__


class Stored(int):
    """Stands in a table for a value that is fetched when asked for; its place in the order."""

    __slots__ = ()


class Table(dict[Key, Value]):
    """A dict with notes of its changes, in the order in which keys were added.

    Values are never None. Only `table[key] = value`, `del`, `pop` and `clear` change it.
    """

    __slots__ = ("changed", "moved", "next_place", "places")

    def __init__(self, entries: Iterable[tuple[Key, Value]] = ()) -> None:
        super().__init__()
        self.changed: dict[Key, Any] = {}
        """By key that changed since the notes were last taken: what was kept there, or None."""
        self.places: dict[Key, int] = {}
        """By key that is held because it was set here: its place in the order of all that were ever
        added."""
        self.moved: dict[Key, int] = {}
        """By key that was removed since the notes were last taken, though it may be back: the
        place it had first."""
        self.next_place = 0
        for key, value in entries:
            self[key] = value

    def __setitem__(self, key: Key, value: Value, /) -> None:
        # What was noted and placed already needs neither: most values are replaced many times.
        if key not in self.changed or key not in self.places:
            self._note(key)
        _set(self, key, value)

    def _note(self, key: Key) -> None:
        """The key is about to be set, for the first time since it was noted or removed."""
        before: Any = _get(self, key)
        if before is None:
            self.places[key] = self.next_place
            self.next_place += 1
        elif type(before) is Stored:
            self.places[key] = int(before)
        if key not in self.changed:
            self.changed[key] = before

    def __delitem__(self, key: Key, /) -> None:
        before = _get(self, key)
        _delete(self, key)
        place = int(before) if type(before) is Stored else self.places.pop(key, 0)
        self.moved.setdefault(key, place)
        self.changed.setdefault(key, before)

    def __copy__(self) -> Table[Key, Value]:
        """A table of the same values, in which nothing is noted; the values are shared."""
        made = type(self).__new__(type(self))
        made._begin(self)
        return made

    def _begin(self, other: Any) -> None:
        """Hold what the other does."""
        dict.update(self, other)
        self.changed = {}
        self.places = {}
        self.moved = {}
        self.next_place = other.next_place

    def pop(self, key: Key, default: Any = None, /) -> Any:
        """Remove the key; its value, or the default if it was not there."""
        if key not in self:
            return default
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Remove all keys."""
        for key in list(self):
            del self[key]

    def _refused(self, *args: object, **named: object) -> NoReturn:
        raise TypeError("a table notes what is set key by key")

    setdefault = update = popitem = __ior__ = _refused

    def restore(self, entries: Iterable[tuple[Key, Value, int]], next_place: int) -> None:
        """Hold what was held once: keys, values and places; nothing of it is noted."""
        for key, value, place in entries:
            _set(self, key, value)
            self.places[key] = place
        self.next_place = next_place

    def take(self) -> dict[Key, Any]:
        """The notes since the last call; new ones are begun. Costs nothing, however many."""
        taken, self.changed = self.changed, {}
        self.moved = {}
        return taken

    def kept_at_taking(self, key: Key) -> Any:
        """What was kept under the key when the notes were last taken; None for nothing."""
        return self.changed[key] if key in self.changed else _get(self, key)

    def place_at_taking(self, key: Key) -> int:
        """The place of that key when the notes were last taken, if it was there then."""
        return self.moved[key] if key in self.moved else self.places.get(key, 0)

    def encoded(self, key: Key, kept: Any, encode: Callable[[Any], bytes]) -> bytes:
        """The bytes of what is or was kept under the key."""
        return encode(kept)


class StoredTable(Table[Key, Value]):
    """A table that was begun with values it fetches when they are asked for."""

    __slots__ = ("_decode", "_fetch", "_fetched")

    def __init__(
        self,
        keys: Sequence[Key],
        places: Sequence[int],
        next_place: int,
        fetch: Callable[[Key], bytes],
        decode: Callable[[bytes], Value],
    ) -> None:
        """`keys` in order, with the place of each. `fetch` gives the bytes under a key."""
        super().__init__()
        self._fetch = fetch
        self._decode = decode
        self._fetched: dict[Key, Value] = {}
        stand_ins: Any = zip(keys, map(Stored, places), strict=True)
        dict.update(self, stand_ins)
        self.next_place = next_place

    def _begin(self, other: Any) -> None:
        super()._begin(other)
        self._fetch, self._decode, self._fetched = other._fetch, other._decode, {}

    def get(self, key: Key, default: Any = None, /) -> Any:
        """The value under the key, fetched if need be."""
        found: Any = _get(self, key)
        if type(found) is Stored:
            return self._value(key)
        return default if found is None else found

    def __getitem__(self, key: Key, /) -> Value:
        found: Any = dict.__getitem__(self, key)
        if type(found) is Stored:
            return self._value(key)
        value: Value = found
        return value

    def _value(self, key: Key) -> Value:
        fetched = self._fetched
        value = fetched.get(key)
        if value is None:
            value = self._decode(self._fetch(key))
            if len(fetched) >= FETCHED_COUNT_MAX:
                del fetched[next(iter(fetched))]
            fetched[key] = value
        return value

    def _note(self, key: Key) -> None:
        self._fetched.pop(key, None)
        super()._note(key)

    def __delitem__(self, key: Key, /) -> None:
        self._fetched.pop(key, None)
        super().__delitem__(key)

    def values(self) -> Any:
        """The values in order, each fetched if need be."""
        return [self[key] for key in self]

    def items(self) -> Any:
        """Keys and values in order, each fetched if need be."""
        return [(key, self[key]) for key in self]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, dict) or len(self) != len(other):
            return False
        return all(key in other and other[key] == self[key] for key in self)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # as every dict

    def encoded(self, key: Key, kept: Any, encode: Callable[[Any], bytes]) -> bytes:
        """The bytes of what is or was kept under the key: stored ones as they are."""
        return self._fetch(key) if type(kept) is Stored else encode(kept)


class KeySet(set[Key]):
    """A set with notes of its changes. Only `add`, `update`, `discard` and `clear` change it."""

    __slots__ = ("changed",)

    next_place = 0
    """Its keys are in no order."""
    moved: Mapping[bytes, int] = MappingProxyType({})
    """Likewise."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        super().__init__()
        self.changed: dict[Key, Any] = {}
        """By key that came or went since the notes were last taken: True if it was there."""
        for key in keys:
            self.add(key)

    def __copy__(self) -> KeySet[Key]:
        """A set of the same keys, in which nothing is noted."""
        made: KeySet[Key] = KeySet()
        set.update(made, self)
        return made

    def add(self, key: Key, /) -> None:
        """It is in the set from now on."""
        if key not in self:
            self.changed.setdefault(key, None)
            super().add(key)

    def discard(self, key: Any, /) -> None:
        """It is not in the set any more, if it was."""
        if key in self:
            self.changed.setdefault(key, True)
            super().discard(key)

    def clear(self) -> None:
        """Nothing is in it any more."""
        for key in list(self):
            self.discard(key)

    def update(self, *others: Iterable[Key]) -> None:
        """Add the keys of all."""
        for other in others:
            for key in other:
                self.add(key)

    def _refused(self, *args: object) -> NoReturn:
        raise TypeError("a set with notes is changed key by key")

    remove = pop = difference_update = intersection_update = _refused
    symmetric_difference_update = __ior__ = __iand__ = __isub__ = __ixor__ = _refused

    def restore(self, entries: Iterable[tuple[Key, Any, int]], next_place: int) -> None:
        """Hold what was held once; nothing of it is noted."""
        for key, _, _ in entries:
            super().add(key)

    def take(self) -> dict[Key, Any]:
        """The notes since the last call; new ones are begun."""
        taken, self.changed = self.changed, {}
        return taken

    def kept_at_taking(self, key: Key) -> Any:
        """True if the key was in the set when the notes were last taken; None if not."""
        if key in self.changed:
            return self.changed[key]
        return True if key in self else None

    def place_at_taking(self, key: Key) -> int:
        """None of its keys has one."""
        return 0

    def encoded(self, key: Key, kept: Any, encode: Callable[[Any], bytes]) -> bytes:
        """There is nothing to encode but that it is there."""
        return encode(kept)
