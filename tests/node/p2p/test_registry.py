from __future__ import annotations

import pytest
import trio

from node.p2p.errors import DuplicateSession, PeerError, TooManySessions
from node.p2p.registry import Registry
from protocols.types import Address
from tests.support.peer_nodes import FIFTH, FOURTH, HIGH, LOW, MIDDLE


class PlacedSession:
    """What the registry needs of a session."""

    def __init__(self, remote: Address, dialled: bool) -> None:
        self.remote = remote
        self.dialled = dialled
        self.closed_for: list[PeerError] = []
        self.ping_count = 0

    def close(self, reason: PeerError) -> None:
        self.closed_for.append(reason)

    def ping(self) -> None:
        self.ping_count += 1


class Calls(list[tuple[str, Address]]):
    def connected(self, peer: Address, sequence: int) -> None:
        self.append((f"connected {sequence}", peer))

    def disconnected(self, peer: Address) -> None:
        self.append(("disconnected", peer))


def registry(own: Address, calls: Calls, stranger_count_max: int = 2) -> Registry:
    return Registry(
        own=own,
        known={HIGH.address, LOW.address},
        stranger_count_max=stranger_count_max,
        on_connected=calls.connected,
        on_disconnected=calls.disconnected,
    )


def placed(room: Registry, remote: Address, dialled: bool) -> PlacedSession:
    session = PlacedSession(remote, dialled)
    room.place(session, 0)  # type: ignore[arg-type]  # only these members are used
    return session


@pytest.mark.parametrize("first_dialled", [True, False])
@pytest.mark.parametrize("own", [LOW.address, HIGH.address])
def test_of_two_crossing_dials_both_sides_keep_the_one_of_the_lower_address(
    own: Address, first_dialled: bool
) -> None:
    remote = HIGH.address if own == LOW.address else LOW.address
    calls = Calls()
    room = registry(own, calls)
    first = placed(room, remote, first_dialled)
    dialled_by_lower = own == LOW.address
    if first_dialled == dialled_by_lower:
        with pytest.raises(DuplicateSession):
            placed(room, remote, not first_dialled)
        assert (first.closed_for, first.ping_count) == ([], 1)
    else:
        second = placed(room, remote, not first_dialled)
        assert isinstance(first.closed_for[0], DuplicateSession)
        assert room.get(remote) is second  # type: ignore[comparison-overlap]
    kept = room.get(remote)
    assert kept is not None
    assert kept.dialled == dialled_by_lower


@pytest.mark.parametrize("dialled", [True, False])
def test_a_peer_that_dials_again_lost_its_old_session(dialled: bool) -> None:
    calls = Calls()
    room = registry(LOW.address, calls)
    first = placed(room, HIGH.address, dialled)
    second = placed(room, HIGH.address, dialled)
    assert first.closed_for
    assert room.get(HIGH.address) is second  # type: ignore[comparison-overlap]
    assert [name for name, _ in calls] == ["connected 0", "disconnected", "connected 0"]


def test_strangers_have_bounded_places_and_known_peers_always_one() -> None:
    calls = Calls()
    room = registry(MIDDLE.address, calls)
    placed(room, FOURTH.address, False)
    placed(room, FIFTH.address, False)
    with pytest.raises(TooManySessions):
        placed(room, b"\x77" * 20, False)
    placed(room, HIGH.address, False)
    placed(room, LOW.address, False)
    assert len(room.peers()) == len(room.sessions()) == 4
    placed(room, FIFTH.address, False)


def test_a_session_is_removed_once_and_only_if_it_is_still_the_peers() -> None:
    calls = Calls()
    room = registry(LOW.address, calls)
    first = placed(room, HIGH.address, True)
    second = placed(room, HIGH.address, True)
    calls.clear()
    room.remove(first)  # type: ignore[arg-type]
    assert (calls, room.peers()) == ([], {HIGH.address})
    room.remove(second)  # type: ignore[arg-type]
    room.remove(second)  # type: ignore[arg-type]
    assert calls == [("disconnected", HIGH.address)]
    assert room.get(HIGH.address) is None


async def test_a_peer_can_be_reached_from_the_call_that_announces_it() -> None:
    seen: list[bool] = []
    room = Registry(
        own=LOW.address,
        known=(),
        stranger_count_max=1,
        on_connected=lambda peer, sequence: seen.append(room.get(peer) is not None),
        on_disconnected=lambda peer: seen.append(room.get(peer) is None),
    )
    session = placed(room, HIGH.address, False)
    room.remove(session)  # type: ignore[arg-type]
    await trio.lowlevel.checkpoint()
    assert seen == [True, True]
