from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from node.p2p.admission import HalfOpen


async def occupy(room: HalfOpen, timeout_s: float, log: list[str], name: str) -> None:
    with room.enter(timeout_s) as place:
        await trio.sleep_forever()
    log.append(f"{name} {place.cancelled_caught}")


async def test_the_newest_pushes_out_the_oldest(nursery: trio.Nursery) -> None:
    room, log = HalfOpen(2), []
    for name in ("first", "second", "third"):
        nursery.start_soon(occupy, room, 60.0, log, name)
        await trio.testing.wait_all_tasks_blocked()
        assert len(room) <= 2
    assert log == ["first True"]
    nursery.cancel_scope.cancel()


async def test_a_place_is_lost_with_time(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    room, log = HalfOpen(2), []
    nursery.start_soon(occupy, room, 5.0, log, "slow")
    await trio.sleep(4.9)
    assert len(room) == 1
    await trio.sleep(0.2)
    assert (len(room), log) == (0, ["slow True"])


async def test_who_finishes_gives_the_place_back() -> None:
    room = HalfOpen(1)
    for _ in range(3):
        with room.enter(1.0) as place:
            assert len(room) == 1
        assert not place.cancelled_caught
    with pytest.raises(ValueError, match="broke"), room.enter(1.0):
        raise ValueError("broke")
    assert len(room) == 0


def test_a_room_without_places_is_refused() -> None:
    with pytest.raises(AssertionError, match="cannot be reached"):
        HalfOpen(0)
