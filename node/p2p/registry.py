"""Who is connected: at most one session per peer, decided the same way on both sides.

When two nodes dial each other at once, both sides keep the session that the lower address dialled.
When one side dials again, it lost the old session: the newer one stays. The registry calls back
when a peer comes and goes, always in pairs.
"""

from collections.abc import Callable, Container

from node.p2p.errors import DuplicateSession, TooManySessions
from node.p2p.session import Session
from protocols.types import Address, checksum_address


class Registry:
    """The live sessions by peer."""

    def __init__(
        self,
        *,
        own: Address,
        known: Container[Address],
        stranger_count_max: int,
        on_connected: Callable[[Address, int], None],
        on_disconnected: Callable[[Address], None],
    ) -> None:
        """`known` are the addresses that always find a place."""
        self._own = own
        self._known = known
        self._stranger_count_max = stranger_count_max
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._sessions: dict[Address, Session] = {}

    def get(self, peer: Address) -> Session | None:
        """The peer's live session."""
        return self._sessions.get(peer)

    def peers(self) -> frozenset[Address]:
        """Who is connected now."""
        return frozenset(self._sessions)

    def sessions(self) -> tuple[Session, ...]:
        """All live sessions, in the order they came."""
        return tuple(self._sessions.values())

    def place(self, session: Session, received_sequence: int) -> None:
        """Make `session` the peer's; an older one that yields is closed.

        Raises `DuplicateSession` if the older one takes precedence (it is asked for a sign of
        life), `TooManySessions` if the peer is a stranger and the places are taken.
        """
        peer = session.remote
        older = self._sessions.get(peer)
        if older is not None:
            if not self._yields(older, session):
                older.ping()
                raise DuplicateSession(f"{checksum_address(peer)} is connected already")
            older.close(DuplicateSession("a newer session takes precedence"))
            self.remove(older)
        elif peer not in self._known and self._stranger_count() >= self._stranger_count_max:
            raise TooManySessions(f"{self._stranger_count_max} peers we do not know are connected")
        self._sessions[peer] = session
        self._on_connected(peer, received_sequence)

    def remove(self, session: Session) -> None:
        """Forget `session` if it is still the peer's."""
        if self._sessions.get(session.remote) is session:
            del self._sessions[session.remote]
            self._on_disconnected(session.remote)

    def _yields(self, older: Session, newer: Session) -> bool:
        if older.dialled == newer.dialled:
            return True
        return newer.dialled == (self._own < newer.remote)

    def _stranger_count(self) -> int:
        return sum(peer not in self._known for peer in self._sessions)
