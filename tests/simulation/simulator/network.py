"""The network of the simulation: sessions between processes, over wires that lose, repeat, delay.

A session begins with what each side has of the other's messages, and ends when a process dies or
the two are parted; what was on its way in it is gone. Inside a session the wire is worse than a
real one: every message is lost, doubled or late by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from random import Random
from typing import Protocol

from msgspec import Struct

from protocols import inputs
from protocols.types import Address
from tests.simulation.simulator.schedule import Schedule

RECONNECT_MS = 1_000
RESEND_MS = 1_000
LATENCY_MS = 20
"""Of a wire on a good day."""
BUFFERED_SHARE = 0.9
"""How much of what comes too early waits for what is missing, as in a real session."""


class Weather(Struct, frozen=True):
    """What a wire does to each message."""

    loss: float = 0.0
    duplication: float = 0.0
    delay_ms_max: int = LATENCY_MS
    """Uniform from 0: late messages overtake each other."""


CALM = Weather()


class Station(Protocol):
    """A process, as the network sees it."""

    address: Address

    def is_up(self) -> bool:
        """Whether it runs."""

    def received_from(self, peer: Address) -> int:
        """The last message of the peer that is on our disk."""

    def has_forgotten(self) -> bool:
        """Whether the end of its log was ever cut."""

    def connected(self, peer: Address, received: int) -> None:
        """A session begins; the peer says what it has."""

    def met(self, peer: Address) -> list[inputs.Input]:
        """What is said of heads to the peer when a session begins."""

    def waits_for(self, peer: Address) -> bool:
        """Whether anything for the peer is not acknowledged."""

    def resend(self, peer: Address) -> None:
        """Send again what the peer has not acknowledged."""

    def take(self, item: inputs.Input) -> None:
        """Something arrives."""


class _Session:
    """From a handshake to its end."""

    def __init__(self) -> None:
        self.is_open = True
        self.early: dict[Address, dict[int, inputs.PeerMessage]] = {}
        """By receiver: messages whose predecessors are missing."""
        self.expected: dict[Address, int] = {}
        """By receiver: the number that follows all that arrived, at first the first one sent."""


class Network:
    """Every wire between any two."""

    def __init__(
        self, schedule: Schedule, random: Random, weather: Weather, note: Callable[[str], None]
    ) -> None:
        self.weather = weather
        self.in_flight_count = 0
        self._schedule = schedule
        self._random = random
        self._note = note
        self._stations: dict[Address, Station] = {}
        self._sessions: dict[frozenset[Address], _Session] = {}
        self._parted: Counter[frozenset[Address]] = Counter()

    def join(self, station: Station) -> None:
        """A process starts under this address; sessions of the one before are over."""
        self.leave(station.address)
        self._stations[station.address] = station

    def leave(self, address: Address) -> None:
        """The process is gone."""
        self._stations.pop(address, None)
        for pair in list(self._sessions):
            if address in pair:
                self.hang_up(pair)

    def hang_up(self, pair: frozenset[Address]) -> None:
        """The session between these two is over; they will find each other again."""
        session = self._sessions.pop(pair, None)
        if session is not None:
            session.is_open = False

    def part(self, pair: frozenset[Address]) -> None:
        """Nothing passes between these two until `join_again`."""
        self._parted[pair] += 1
        self.hang_up(pair)

    def join_again(self, pair: frozenset[Address]) -> None:
        self._parted[pair] = max(0, self._parted[pair] - 1)

    def mend(self) -> None:
        """Nobody is parted any more."""
        self._parted.clear()

    def live(self) -> None:
        """For ever: sessions begin where there is none, and what waits is sent again."""
        for one, two in combinations(list(self._stations.values()), 2):
            pair = frozenset((one.address, two.address))
            if not (one.is_up() and two.is_up()):
                continue
            if pair in self._sessions:
                for sender, peer in ((one, two.address), (two, one.address)):
                    if sender.is_up() and sender.waits_for(peer):
                        sender.resend(peer)
            elif not self._parted[pair]:
                self._connect(pair, one, two)
        self._schedule.after(RESEND_MS, self.live)

    def _connect(self, pair: frozenset[Address], one: Station, two: Station) -> None:
        self._sessions[pair] = _Session()
        said_by_one, said_by_two = one.received_from(two.address), two.received_from(one.address)
        one.connected(two.address, said_by_two)
        if two.is_up():
            two.connected(one.address, said_by_one)
        for sender, receiver in ((one, two), (two, one)):
            for item in sender.met(receiver.address) if sender.is_up() else ():
                receiver.take(item)

    def carry(self, sender: Address, receiver: Address, item: inputs.Input) -> None:
        """Lose, double and delay one message on its way."""
        session = self._sessions.get(frozenset((sender, receiver)))
        if session is None:
            return
        if isinstance(item, inputs.PeerMessage):
            session.expected.setdefault(receiver, item.sequence)
        weather, random = self.weather, self._random
        copies = 1
        if weather.duplication and random.random() < weather.duplication:
            copies = 2
            self._note("message doubled")
        for _ in range(copies):
            if weather.loss and random.random() < weather.loss:
                self._note("message lost")
                continue
            delay_ms = random.randint(1, weather.delay_ms_max)
            self.in_flight_count += 1
            self._schedule.after(delay_ms, lambda: self._arrive(session, receiver, item))

    def _arrive(self, session: _Session, receiver: Address, item: inputs.Input) -> None:
        self.in_flight_count -= 1
        station = self._stations.get(receiver)
        if station is None or not session.is_open or not station.is_up():
            return
        if not isinstance(item, inputs.PeerMessage):
            station.take(item)
            return
        early = session.early.setdefault(receiver, {})
        wanted = station.received_from(item.peer) + 1
        if station.has_forgotten():
            # It takes a gap for what it once acknowledged: here the order is a session's own.
            wanted = session.expected[receiver]
        if item.sequence > wanted:
            self._note("message early")
            if station.has_forgotten() or self._random.random() < BUFFERED_SHARE:
                early[item.sequence] = item
                return
        following: inputs.PeerMessage | None = item
        while following is not None and station.is_up():
            station.take(following)
            expected = max(session.expected[receiver], following.sequence + 1)
            session.expected[receiver] = expected
            following = early.pop(following.sequence + 1, None)
