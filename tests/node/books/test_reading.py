"""The books of a log on disk: from the beginning, up to where they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.books.reading import Journal, concerns
from node.store.errors import LogMissing
from tests.support.book_readings import differences
from tests.support.recorded_nodes import World, demo


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return demo(tmp_path_factory.mktemp("books"))


def test_the_books_of_a_log_say_what_its_node_believes(world: World) -> None:
    for node in world.nodes.values():
        journal = Journal(node.path)
        try:
            assert {"payment", "payout"} <= {posted.entry.kind for posted in journal.entries()}
            assert journal.record_count == node.log.next_seq
            assert differences(journal.books, node.state) == []
        finally:
            journal.close()


def test_reading_ends_before_the_record_that_is_over(world: World) -> None:
    journal = Journal(world.alice.path)
    try:
        found = list(journal.entries(lambda record, event: record.seq > 40))
        assert journal.record_count == 41
        assert max(posted.seq for posted in found) <= 40
        balances = {
            a: b for accounts in journal.books.balances.values() for a, b in accounts.items()
        }
        assert sum(balances.values()) == 0
    finally:
        journal.close()


def test_entries_are_found_by_channel(world: World) -> None:
    journal = Journal(world.alice.path)
    try:
        (channel_id,) = world.alice.state.channels
        entries = [posted.entry for posted in journal.entries()]
        assert all(concerns(entry, channel_id) for entry in entries)
        assert not any(concerns(entry, b"\x0f" * 32) for entry in entries)
    finally:
        journal.close()


def test_there_are_no_books_without_a_log(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        Journal(tmp_path / "none")
