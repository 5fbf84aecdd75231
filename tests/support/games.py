"""Games of rock-paper-scissors as ADR 0079 writes them, move by move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.support.app_states import STAKES, Claim, Said, postfund_of, roots_of, split
from tests.support.nitro_signing import NATIVE, Actor, Channel, keccak

ROCK, PAPER, SCISSORS = 1, 2, 3
BEATS = {(ROCK, SCISSORS), (PAPER, ROCK), (SCISSORS, PAPER)}
STEP_COUNT = 4

Round = tuple[int, int]
"""What the first and the last participant chose."""
WON, LOST, TIED = (PAPER, ROCK), (PAPER, SCISSORS), (PAPER, PAPER)
"""As the first participant sees it."""


def salt_of(player: int, number: int) -> bytes:
    """A salt; every round has others."""
    return keccak(f"salt of player {player} in round {number}".encode())


def commitment(channel_id: bytes, player: int, move: int, salt: bytes) -> bytes:
    """What hides a move."""
    return keccak(channel_id + bytes([player, move]) + salt)


def packed(shown: bytes) -> bytes:
    """A message: MessagePack's bytes."""
    return b"\xc4" + bytes([len(shown)]) + shown


def shown_in(
    channel_id: bytes,
    rounds: Sequence[Round],
    count: int,
    commitments: Mapping[tuple[int, int], bytes] = MappingProxyType({}),
) -> bytes:
    """All that a round's moves up to this message show, in the game of that channel.

    `commitments` are made in the place of the honest ones, by player and round.
    """
    number, step = divmod(count - 1, STEP_COUNT)
    moves = rounds[number]
    parts = []
    for player in (0, 1):
        honest = commitment(channel_id, player, moves[player], salt_of(player, number))
        parts.append(commitments.get((player, number), honest))
    parts += [bytes([moves[player]]) + salt_of(player, number) for player in (0, 1)]
    return b"".join(parts[: step + 1])


@dataclass(frozen=True)
class Game:
    """One channel and what is played in it, round by round."""

    channel: Channel
    rounds: Sequence[Round]
    stakes: tuple[int, int] = STAKES
    asset: str = NATIVE
    commitments: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """By player and round: what is committed instead of the move."""

    def shown(self, count: int) -> bytes:
        """All that the round's moves up to this message show."""
        return shown_in(self.channel.channel_id, self.rounds, count, self.commitments)

    def paid(self, count: int) -> tuple[int, int]:
        """The two amounts after that many messages."""
        number, step = divmod(count - 1, STEP_COUNT)
        pot = sum(self.stakes)
        if step == STEP_COUNT - 1:
            first, last = self.rounds[number]
            if first == last:
                return self.stakes
            return (pot, 0) if (first, last) in BEATS else (0, pot)
        return (pot, 0) if step % 2 == 0 else (0, pot)

    def mover(self, count: int) -> Actor:
        """Who makes that move."""
        return self.channel.actors[0 if count % 2 == 1 else -1]

    def said(self, count: int) -> Said:
        """The state after that many messages, signed by its mover alone."""
        messages = [packed(self.shown(each)) for each in range(1, count + 1)]
        root = roots_of(messages)[count]
        outcome = split(*self.paid(count), self.asset)
        return Said(count + 1, outcome, (self.mover(count),), count, root, messages[-1])

    def claim(self, count: int) -> Claim:
        """That state with what proves it."""
        postfund = postfund_of(self.channel, self.stakes, self.asset)
        earlier = self.said(count - 1) if count > 1 else None
        return Claim(self.channel, self.said(count), postfund, earlier)
