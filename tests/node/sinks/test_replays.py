"""The same messages and the same code: the same digest, on every replay and in PostgreSQL too."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from node.log_views.keeper import NodeView
from node.sinks.check import check
from node.sinks.sink import Sink, SinkSettings
from node.store.log import EventLog
from node.views.view import View
from tests.support import audit_webs
from tests.support.postgres_server import PostgresServer, postgres_server
from tests.support.reducers import ADD, NOTE, REFUSE, TAKE, message, scores
from tests.support.soak import times

REPLAYS = times(10)
PLAYERS = [b"alice", b"bob", b"", b"\xff" * 255, b"nul\0"]


def synced(settings: SinkSettings) -> bytes:
    """The digest over what PostgreSQL holds once it is level."""
    sink = Sink(settings)
    while sink.step() is not None:
        pass
    sink.close()
    found = check(settings.conninfo, settings.namespace, settings.view)
    assert found.is_equal
    return found.digest


def replayed(path: Path, settings: SinkSettings, chooser: random.Random) -> tuple[bytes, bytes]:
    """The digests of the view and of PostgreSQL, which followed it step by step."""
    sent = random.Random(7)
    with View(path, scores()) as view:
        for seq in range(300):
            kind = sent.choice([ADD, ADD, NOTE, TAKE, REFUSE])
            view.apply(seq, message(kind, sent.choice(PLAYERS), sent.randrange(1, 50)))
            if chooser.random() < 0.02:
                synced(settings)
        return view.digest, synced(settings)


@pytest.mark.slow
def test_digests_of_replays_are_equal_in_postgresql_too(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    digests = set()
    for number in range(REPLAYS):
        path = tmp_path / f"{number}.db"
        # Always into the same schema, whose tables are of the replay before: then it is copied, or
        # gone on with where that one was.
        settings = SinkSettings(path, postgres.conninfo, "replays")
        digests.update(replayed(path, settings, random.Random(number)))
    assert len(digests) == 1


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog.open(tmp_path / "data")) as made:
        batch = made.begin(60_000)
        for event in audit_webs.hub():
            batch.append(event)
        made.commit(batch)
    with closing(EventLog.open(tmp_path / "data", read_only=True)) as opened:
        yield opened


@pytest.mark.parametrize("version", [pytest.param(16, marks=pytest.mark.slow), 18])
def test_a_nodes_own_views_are_followed(
    log: EventLog, tmp_path: Path, postgres: PostgresServer, version: int
) -> None:
    if version == 18:
        follow(log, tmp_path, postgres)
        return
    with postgres_server(version) as running:
        follow(log, tmp_path, running)


def follow(log: EventLog, tmp_path: Path, postgres: PostgresServer) -> None:
    path = tmp_path / "node.db"
    settings = SinkSettings(path, postgres.conninfo, "node")
    with NodeView(path, keeps_changes=True) as kept:
        for end in (1, log.next_seq // 3, log.next_seq // 2, log.next_seq):
            kept.catch_up(log, end)
            assert synced(settings) == kept.view.digest == kept.view.computed_digest()
