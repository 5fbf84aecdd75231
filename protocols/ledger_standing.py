"""What a ledger's queue takes if none of its changes is agreed, kept as the queue changes.

A change that is refused takes nothing any more, nor does the later one that undoes it (M8); all
others do. Walking the queue would say so too, but a queue may hold hundreds, and its other party
decides how often something in it is refused. So the changes that count on their own, and the
undoings that are awaited, are kept in order: each step is a search in them, and both are bounded by
the queue. What a change looks like is not known here: its values, as a tuple, are its key.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from msgspec import Struct

from protocols.types import TurnNum

Key = tuple[str, bytes, int, bytes, bytes, int, int, str]
"""All values of a change: two changes are equal if their keys are."""


class Share(Struct, frozen=True, array_like=True, gc=False):
    """What one change takes, or all that count together."""

    leader: int = 0
    """Of the leader's balance, smallest unit."""
    follower: int = 0
    room: int = 0
    """Guarantees."""


Own = tuple[Key, TurnNum, Share]
"""A change in the queue that is neither refused nor undoes a refused one, and what it takes."""


class Standing(Struct, frozen=True, array_like=True, gc=False):
    """What follows from a queue."""

    taken: Share = Share()
    own: tuple[Own, ...] = ()
    """Ascending by key and turn number."""
    awaited: tuple[Key, ...] = ()
    """What would undo the refused changes that nothing in the queue undoes yet, ascending; one key
    as often as it is awaited."""


EMPTY = Standing()
"""What follows from an empty queue."""


def with_change(standing: Standing, key: Key, turn_num: TurnNum, share: Share) -> Standing:
    """One more change at the end of the queue: an awaited undoing, or one of its own."""
    taken, own, awaited = standing.taken, standing.own, standing.awaited
    if awaited:
        index = bisect_left(awaited, key)
        if index < len(awaited) and awaited[index] == key:
            return Standing(taken, own, awaited[:index] + awaited[index + 1 :])
    added = (key, turn_num, share)
    if not own:
        return Standing(share, (added,), awaited)
    index = bisect_left(own, (key, turn_num))
    own = own[:index] + (added,) + own[index:]  # noqa: RUF005  faster, and own may be long
    return Standing(_plus(taken, share, 1), own, awaited)


def with_refused(standing: Standing, key: Key, turn_num: TurnNum, undoing: Key) -> Standing:
    """That change of its own is refused: the first later one that undoes it does so, or is awaited.

    Unchanged if the change is none of its own.
    """
    if not is_own(standing, key, turn_num):
        return standing
    rest = _without(standing, bisect_left(standing.own, (key, turn_num)))
    index = bisect_left(rest.own, (undoing, turn_num))
    if index < len(rest.own) and rest.own[index][0] == undoing:
        return _without(rest, index)
    awaited = list(rest.awaited)
    insort(awaited, undoing)
    return Standing(rest.taken, rest.own, tuple(awaited))


def with_agreed(standing: Standing, key: Key, turn_num: TurnNum) -> Standing:
    """That change left the queue, being agreed; with all before it, so nothing there is awaited."""
    if not is_own(standing, key, turn_num):
        return standing
    return _without(standing, bisect_left(standing.own, (key, turn_num)))


def is_own(standing: Standing, key: Key, turn_num: TurnNum) -> bool:
    """Whether the change of that turn counts on its own."""
    own = standing.own
    index = bisect_left(own, (key, turn_num))
    return index < len(own) and own[index][:2] == (key, turn_num)


def _without(standing: Standing, index: int) -> Standing:
    own = standing.own
    rest = own[:index] + own[index + 1 :]
    return Standing(_plus(standing.taken, own[index][2], -1), rest, standing.awaited)


def _plus(taken: Share, share: Share, sign: int) -> Share:
    return Share(
        taken.leader + sign * share.leader,
        taken.follower + sign * share.follower,
        taken.room + sign * share.room,
    )
