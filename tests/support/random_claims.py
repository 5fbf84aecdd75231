"""Random claims of app channels: in order, or with a few of their parts exchanged."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.support.app_states import (
    SHAPES,
    Claim,
    Said,
    app_data,
    next_root,
    opening_claim,
    postfund_of,
    roots_of,
    split,
)
from tests.support.games import Game, packed
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY
from tests.support.nitro_signing import Channel

PEOPLE = (ALICE, HUB, BOB, MALLORY)


class Claims:
    """One seed's claims in one channel."""

    def __init__(self, channel: Channel, seed: int) -> None:
        self.channel, self.random = channel, random.Random(seed)

    def log(self) -> Claim:
        """Of a message log."""
        if self._chance(8):
            return self._spoilt(opening_claim(self.channel, self.random.randint(0, 1)))
        count = self.random.choice((1, 1, 2, 3, 4, 9))
        messages = [self.random.randbytes(self.random.randint(0, 70)) for _ in range(count)]
        roots = roots_of(messages)

        def said(number: int) -> Said:
            first = self.random.randint(0, 1_000)
            outcome = split(first, 1_000 - first)
            fields = (number, roots[number], messages[number - 1])
            return Said(number + 1, outcome, (ALICE, BOB), *fields)

        before = said(count - 1) if count > 1 and self._chance(2) else None
        return self._spoilt(Claim(self.channel, said(count), postfund_of(self.channel), before))

    def game(self) -> Claim:
        """Of a game."""
        if self._chance(8):
            return self._spoilt(opening_claim(self.channel, self.random.randint(0, 1)))
        ties = [(each, each) for each in self.random.choices((1, 2, 3), k=2)]
        decided = (self.random.randint(1, 3), self.random.randint(1, 3))
        rounds = [*ties, decided] if self._chance(2) else [decided, *ties]
        stakes = (self.random.randint(0, 5), self.random.randint(0, 5))
        game = Game(self.channel, rounds, stakes)
        return self._spoilt(game.claim(self.random.randint(1, 12)))

    def _chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def _spoilt(self, claim: Claim) -> Claim:
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2))):
            claim = self._spoil(claim)
        return claim

    def _spoil(self, claim: Claim) -> Claim:
        if claim.postfund is not None and self._chance(6):
            return self._spoil_outcome(claim)
        if self._chance(8):
            return self.random.choice(
                (
                    replace(claim, before=None),
                    replace(claim, postfund=None, before=None),
                    replace(claim, surplus=1 if claim.postfund else 0),
                )
            )
        part = self.random.choice(("candidate", "candidate", "postfund", "before"))
        said = getattr(claim, part)
        return claim if said is None else replace(claim, **{part: self._other(said)})

    def _spoil_outcome(self, claim: Claim) -> Claim:
        spoil, _ = self.random.choice(list(SHAPES.values()))
        try:
            return spoil(claim)
        except (ValueError, IndexError):
            # An earlier change left no shares to change.
            return claim

    def _other(self, said: Said) -> Said:
        changes: tuple[Callable[[], Said], ...] = (
            lambda: replace(said, signers=tuple(self.random.sample(PEOPLE, 2))),
            lambda: replace(said, signers=(ALICE, HUB, BOB)),
            lambda: replace(said, turn=max(0, said.turn + self.random.choice((-1, 1)))),
            lambda: replace(said, turn=said.turn + 4, count=said.count + 4),
            lambda: replace(said, count=said.count + 1),
            lambda: replace(said, is_final=True),
            lambda: replace(said, root=self.random.randbytes(32)),
            lambda: replace(said, reducer_id=self.random.randbytes(32)),
            lambda: replace(said, message=self._nearly(said.message)),
            lambda: self._moved(said),
            lambda: self._relinked(said),
            lambda: replace(said, data=self._nearly(said.app_data)),
        )
        return self.random.choice(changes)()

    def _nearly(self, content: bytes) -> bytes:
        if content == b"" or self._chance(3):
            return content + self.random.randbytes(self.random.choice((1, 32)))
        if self._chance(3):
            return content[:-1]
        at = self.random.randrange(len(content))
        return content[:at] + self.random.randbytes(1) + content[at + 1 :]

    def _moved(self, said: Said) -> Said:
        ((asset, about, shares),) = said.outcome if len(said.outcome) == 1 else split_of(said)
        amounts = [share[1] for share in shares][:2]
        if len(amounts) < 2 or not all(0 <= each < 2**200 for each in amounts):
            return said
        moved = self.random.choice((amounts[::-1], [sum(amounts), 0], [0, sum(amounts)]))
        other = [(share[0], paid, *share[2:]) for share, paid in zip(shares, moved, strict=False)]
        return replace(said, outcome=[(asset, about, [*other, *shares[2:]])])

    def _relinked(self, said: Said) -> Said:
        """Another message with the root that a first message has."""
        message = packed(self.random.randbytes(32)) if self._chance(2) else said.message
        root = next_root(bytes(32), message)
        data = app_data(said.reducer_id, root, said.count, message) if self._chance(8) else None
        return replace(said, message=message, root=root, data=data)


def split_of(
    said: Said,
) -> list[tuple[str, tuple[int, bytes], list[tuple[bytes, int, int, bytes]]]]:
    """Some outcome, for a state that has none or more than one."""
    return split(600, 400) if said else []
