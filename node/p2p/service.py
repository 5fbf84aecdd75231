"""The peer room's door: one listener, one dialler per configured peer, and who is connected.

Whoever proves an address and lives on our chain may connect; whether what it says is answered is
the policy's. A stranger before the handshake is a number in the statistics and nothing else.
Nothing that a peer or the network does ends `run`.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
import trio

from node.p2p.admission import HalfOpen
from node.p2p.connection import SecureConnection, secure
from node.p2p.errors import (
    ConnectionLost,
    DuplicateSession,
    FramingFault,
    HandshakeTimeout,
    PeerError,
    PeerExpelled,
    PeerSilent,
    SessionRefused,
)
from node.p2p.framing import Hello, encode_frames
from node.p2p.hello import Identity, check_hello
from node.p2p.interface import Submit
from node.p2p.limits import PeerLimits
from node.p2p.noise import Handshake, IdentitySigner
from node.p2p.rate import Backoff, TokenBucket
from node.p2p.registry import Registry
from node.p2p.session import Session, SessionPorts, tell_error
from node.p2p.statistics import PeerStatistics
from protocols.notes import Note
from protocols.types import Address, checksum_address

log = structlog.get_logger()

REFUSALS_LOGGED_PER_S = 1.0
"""Refused peers beyond this and the burst are counted, not logged: keys cost a stranger nothing."""
REFUSALS_LOGGED_BURST = 20.0


class PeerService:
    """Sends and receives numbered messages between this node and its peers."""

    def __init__(
        self,
        *,
        signer: IdentitySigner,
        chain_id: int,
        adjudicator: Address,
        listen: tuple[str, int],
        addresses: Mapping[Address, tuple[str, int]],
        submit: Submit,
        received_sequence: Callable[[Address], int],
        on_connected: Callable[[Address, int], None],
        on_disconnected: Callable[[Address], None],
        limits: PeerLimits | None = None,
        uniform: Callable[[], float] = random.random,
        on_sent: Callable[[], None] | None = None,
        on_note: Callable[[Address, Note], None] | None = None,
    ) -> None:
        """`addresses` is the address book: peers to dial, host and port. `uniform` gives numbers
        from 0.0 to below 1.0 and spreads the back-off. `on_sent` is told after each write that
        carried messages, `on_note` of each unnumbered word."""
        self._limits = limits or PeerLimits()
        self._signer = signer
        self._identity = Identity(chain_id, adjudicator, signer.address)
        self._listen = listen
        self._addresses = dict(addresses)
        self._ports = SessionPorts(submit, received_sequence, on_connected, on_sent, on_note)
        self._uniform = uniform
        self._half_open = HalfOpen(self._limits.half_open_count_max)
        self._registry = Registry(
            own=signer.address,
            known=self._addresses,
            stranger_count_max=self._limits.stranger_session_count_max,
            on_connected=on_connected,
            on_disconnected=on_disconnected,
        )
        self._budgets: dict[Address, TokenBucket] = {}
        self._expelled_until_s: dict[Address, float] = {}
        self._counts: Counter[str] = Counter()
        self._refusals_logged = TokenBucket(REFUSALS_LOGGED_PER_S, REFUSALS_LOGGED_BURST, 0.0)

    async def run(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen and dial until cancelled. Started with the port that was bound.

        Raises OSError if the listening address cannot be bound.
        """
        host, port = self._listen
        listeners = await trio.open_tcp_listeners(port, host=host)
        async with trio.open_nursery() as nursery:
            for peer, endpoint in self._addresses.items():
                nursery.start_soon(self._keep_dialling, peer, endpoint)
            serve = partial(trio.serve_listeners, self._accept, listeners)
            await nursery.start(serve)
            task_status.started(listeners[0].socket.getsockname()[1])

    def send(self, peer: Address, messages: Sequence[tuple[int, bytes]]) -> None:
        """Queue (sequence, body) pairs for `peer`, ascending; dropped while it is not connected.

        Never waits. What is dropped is asked for again through `on_connected`.
        """
        session = self._registry.get(peer)
        if session is not None:
            session.send(messages)

    def say(self, peer: Address, note: bytes) -> bool:
        """Queue an unnumbered word; False if `peer` is not connected or hears too slowly."""
        session = self._registry.get(peer)
        return session is not None and session.say(note)

    def acknowledge(self, peer: Address) -> None:
        """Our durable `received_sequence` of `peer` rose."""
        session = self._registry.get(peer)
        if session is not None:
            session.acknowledge()

    def expel(self, peer: Address, duration_s: float) -> None:
        """End the session with `peer` and refuse a new one for `duration_s`."""
        now_s = trio.current_time()
        over = [who for who, until_s in self._expelled_until_s.items() if until_s <= now_s]
        for who in over:
            del self._expelled_until_s[who]
        self._expelled_until_s[peer] = now_s + duration_s
        session = self._registry.get(peer)
        if session is not None:
            session.close(PeerExpelled(f"too many broken rules; come back in {duration_s:.0f} s"))

    def connected(self) -> frozenset[Address]:
        """The peers with a live session, dialled or accepted."""
        return self._registry.peers()

    def statistics(self) -> PeerStatistics:
        """A snapshot of the room."""
        return PeerStatistics(
            sessions=tuple(session.statistics() for session in self._registry.sessions()),
            half_open_count=len(self._half_open),
            counts=dict(self._counts),
        )

    async def _accept(self, stream: trio.SocketStream) -> None:
        self._counts["accepted"] += 1
        try:
            with self._half_open.enter(self._limits.handshake_timeout_s) as place:
                session, hello = await self._establish(stream, None)
            if place.cancelled_caught:
                raise HandshakeTimeout("too slow, or too many at once")
            await self._converse(session, hello)
        except PeerError as error:
            self._counts[error.code] += 1
        finally:
            await trio.aclose_forcefully(stream)

    async def _keep_dialling(self, peer: Address, endpoint: tuple[str, int]) -> None:
        limits = self._limits
        backoff = Backoff(limits.backoff_first_s, limits.backoff_max_s, self._uniform)
        while True:
            session = self._registry.get(peer)
            if session is None:
                session = await self._dial(peer, endpoint)
            else:
                await session.closed.wait()
            if session is not None and session.age_s() >= limits.stable_session_s:
                backoff.reset()
            if self._registry.get(peer) is None:
                await trio.sleep(backoff.next_delay_s())

    async def _dial(self, peer: Address, endpoint: tuple[str, int]) -> Session | None:
        """One attempt, and the session that follows if it succeeds; None if it does not."""
        self._counts["dialled"] += 1
        try:
            stream = await self._connect(endpoint)
            try:
                with trio.move_on_after(self._limits.handshake_timeout_s) as scope:
                    session, hello = await self._establish(stream, peer)
                if scope.cancelled_caught:
                    raise HandshakeTimeout("the peer did not finish the handshake")
                await self._converse(session, hello)
                return session
            finally:
                await trio.aclose_forcefully(stream)
        except PeerError as error:
            self._counts[error.code] += 1
            if not isinstance(error, DuplicateSession):
                log.warning(
                    "peer not reached",
                    peer=checksum_address(peer),
                    endpoint=f"{endpoint[0]}:{endpoint[1]}",
                    code=error.code,
                    reason=error.reason,
                )
            return None

    async def _connect(self, endpoint: tuple[str, int]) -> trio.SocketStream:
        host, port = endpoint
        try:
            with trio.fail_after(self._limits.connect_timeout_s):
                return await trio.open_tcp_stream(host, port)
        except trio.TooSlowError as error:
            raise ConnectionLost("no answer to the connection attempt") from error
        except OSError as error:
            raise ConnectionLost(str(error)) from error

    async def _establish(
        self, stream: trio.SocketStream, expected: Address | None
    ) -> tuple[Session, Hello]:
        """Handshake and both hellos; `expected` is whom we dialled, None for who dialled us."""
        dialled = expected is not None
        handshake = Handshake(self._signer, initiator=dialled, expected=expected)
        connection = await secure(stream, handshake)
        peer = connection.remote
        hello = self._identity.hello(self._ports.received_sequence(peer))
        await connection.send(encode_frames([hello]), self._limits.handshake_timeout_s)
        try:
            self._require_welcome(peer)
            theirs = check_hello(await connection.receive_one(), self._identity, peer)
        except (SessionRefused, FramingFault) as error:
            await self._refuse(connection, error)
            raise
        session = Session(
            connection,
            theirs,
            dialled=dialled,
            told_sequence=hello.received_sequence,
            limits=self._limits,
            budget=self._budget(peer),
            ports=self._ports,
        )
        return session, theirs

    def _require_welcome(self, peer: Address) -> None:
        left_s = self._expelled_until_s.get(peer, -math.inf) - trio.current_time()
        if left_s > 0:
            raise PeerExpelled(f"come back in {left_s:.0f} s")

    async def _converse(self, session: Session, hello: Hello) -> None:
        """Register the session, run it to its end, and say how it ended."""
        peer = checksum_address(session.remote)
        older = self._registry.get(session.remote)
        try:
            self._registry.place(session, hello.received_sequence)
        except SessionRefused as error:
            await self._refuse(session.connection, error)
            if older is not None:
                await self._probe(older)
            raise
        self._counts["connected"] += 1
        log.info("peer connected", peer=peer, dialled=session.dialled)
        try:
            ended = await session.run()
        finally:
            self._registry.remove(session)
        self._counts[ended.code] += 1
        log.info("peer disconnected", peer=peer, code=ended.code, reason=ended.reason)

    async def _refuse(self, connection: SecureConnection, error: PeerError) -> None:
        """Tell an authenticated peer why not, and the operator, within bounds."""
        await tell_error(connection, error, self._limits.error_timeout_s)
        await connection.aclose()
        if not isinstance(error, DuplicateSession) and self._refusals_logged.allows(
            1.0, trio.current_time()
        ):
            log.warning(
                "peer refused",
                peer=checksum_address(connection.remote),
                code=error.code,
                reason=error.reason,
            )

    async def _probe(self, session: Session) -> None:
        """Cut a session that shows no sign of life although a newer one knocked."""
        asked_s = trio.current_time()
        session.ping()
        with trio.move_on_after(self._limits.probe_timeout_s):
            await session.closed.wait()
        if session.last_received_s < asked_s:
            session.close(PeerSilent("no answer while the peer connected again"))

    def _budget(self, peer: Address) -> TokenBucket:
        """What `peer` may send; remembered for a while after it left, so that connecting again
        does not refill it."""
        budget = self._budgets.pop(peer, None) or TokenBucket(
            self._limits.receive_rate_bytes_per_s,
            self._limits.receive_burst_bytes,
            trio.current_time(),
        )
        self._budgets[peer] = budget
        while len(self._budgets) > self._limits.budget_count_max:
            del self._budgets[next(iter(self._budgets))]
        return budget
