"""Random stories of leaving: who is gone, who leaves, forks and late answers; nobody honest loses.

Every node that is there ends with at least what its signed material was worth when the story began
(M22), whatever the others did.
"""

from __future__ import annotations

import random

import pytest

from protocols import commands
from protocols.exit_errors import LeavingRefused
from protocols.objectives.base import ObjectiveType
from protocols.types import ChannelId
from tests.support.exit_rig import exit_value_of, is_completed, paid_to
from tests.support.exit_web import ExitWeb
from tests.support.soak import times
from tests.support.view_folds import follow
from tests.support.web import WebNode

STORY_COUNT = times(24)
AMOUNT = 1_000


class Story:
    """One seed: a path, channels, payments, and who goes away when."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.web = ExitWeb(self.random.choice((0, 1, 2)), depth=self.random.choice((0, 1, 3)))
        self.channels = [self._open(number) for number in range(self.random.choice((1, 2, 3)))]
        count = self.random.randint(1, len(self.web.row))
        self.present = sorted(self.random.sample(self.web.row, count), key=self.web.row.index)
        self.worths = [exit_value_of(node) for node in self.present]

    def _open(self, number: int) -> ChannelId:
        web = self.web
        channel_id = web.open(AMOUNT, b"v%03d" % number)
        web.settle()
        for payment in range(self.random.choice((0, 1, 3))):
            amount = self.random.randint(1, 100)
            identity = bytes((number, payment)) * 16
            web.payer.feed(commands.SendPayment(channel_id, amount, identity))
            web.settle()
        return channel_id

    def run(self) -> None:
        """Those who are there leave everything they can, in any order, until nothing is left."""
        wishes = [(node, ledger_id) for node in self.present for ledger_id in self.ledgers_of(node)]
        wishes += [(node, channel_id) for node in self.present for channel_id in self.channels]
        self.random.shuffle(wishes)
        for node, channel_id in wishes:
            if self.random.random() < 0.3:
                self.web.step(*self.present)
            if self.random.random() < 0.2 and self.web.chain.depth:
                self.web.chain.reorg(1, keeps=self.random.random() < 0.5)
            try:
                node.feed(commands.ExitChannel(channel_id))
            except LeavingRefused:
                continue
        self.web.run(self.present, lambda: all(map(self.is_out, self.present)))

    def ledgers_of(self, node: WebNode) -> list[ChannelId]:
        return [known for known in self.web.ledgers if node.state.channels.get(known) is not None]

    def is_out(self, node: WebNode) -> bool:
        return all(
            is_completed(node, ObjectiveType.EXIT, ledger_id) for ledger_id in self.ledgers_of(node)
        )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(STORY_COUNT))
def test_whoever_is_there_gets_at_least_what_was_signed(seed: int) -> None:
    story = Story(seed)
    story.run()
    got = [paid_to(story.web, node) for node in story.present]
    assert all(one >= worth for one, worth in zip(got, story.worths, strict=True)), (
        got,
        story.worths,
    )
    for node in story.present:
        assert node.fold().digest() == node.state.digest()
        follow(node.log, 0.1, seed)
