"""A sink makes PostgreSQL level with a view: once, in order, whatever was there before."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from node.sinks import source as source_module
from node.sinks.check import check
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.sink import Sink, SinkSettings, Step
from node.sinks.status import CopyReason
from node.sinks.target import Target
from tests.support.postgres_server import PostgresServer
from tests.support.view_files import ViewFile

Ask = Callable[..., list[Any]]


def level(sink: Sink) -> list[Step]:
    """Step until there is nothing to do."""
    steps = []
    while (step := sink.step()) is not None:
        steps.append(step)
    return steps


def assert_equal(view: ViewFile, settings: SinkSettings) -> None:
    found = check(settings.conninfo, settings.namespace, settings.view)
    assert found.is_equal
    assert found.digest == view.digest()
    assert found.seq == view.seq


def test_a_view_is_copied_first_and_then_its_changes_are_applied(
    view: ViewFile, sink: Sink, settings: SinkSettings
) -> None:
    view.put((1, "a", b"", 1), (2, "b", b"", 2))
    assert level(sink) == [Step(0, copied=CopyReason.FIRST, row_count=2)]
    view.put((2, "c", b"", 3))
    view.remove(1)
    view.message(seq=17)
    assert level(sink) == [Step(17, change_count=2)]
    assert sink.seqs() == (17, 17)
    assert_equal(view, settings)


def test_a_view_without_a_message_is_copied_too(
    view: ViewFile, sink: Sink, settings: SinkSettings
) -> None:
    assert level(sink) == [Step(-1, copied=CopyReason.FIRST)]
    assert_equal(view, settings)


def test_another_sink_goes_on_where_the_last_one_stopped(
    view: ViewFile, sink: Sink, settings: SinkSettings
) -> None:
    view.put((1, "a", b"", 1))
    level(sink)
    sink.close()
    view.put((2, "b", b"", 2))
    view.write_sum()
    view.put((3, "c", b"", 3))
    another = Sink(settings)
    assert level(another) == [Step(2, change_count=2)]
    another.close()
    assert_equal(view, settings)


def test_each_message_is_seen_once_and_in_order(
    view: ViewFile, sink: Sink, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "BATCH_MESSAGE_COUNT", 1)
    level(sink)
    ask("CREATE TABLE seen (at serial, seq bigint)")
    ask(
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS "
        "$$ BEGIN INSERT INTO seen (seq) VALUES (new.seq); RETURN new; END $$"
    )
    ask("CREATE TRIGGER see AFTER UPDATE ON tally_stamp FOR EACH ROW EXECUTE FUNCTION see()")
    for number in range(20):
        view.put((number % 3, str(number), b"", number))
    level(sink)
    assert ask("SELECT seq FROM seen ORDER BY at") == [(number,) for number in range(20)]


def other_code(path: Path) -> ViewFile:
    return ViewFile(path, code_hash=b"\1" * 32)


class OtherBudget(ViewFile):
    budget = msgspec.structs.replace(ViewFile.budget, fuel=7)


def other_tables(path: Path) -> ViewFile:
    return ViewFile(path, ["CREATE TABLE t (a TEXT PRIMARY KEY) STRICT, WITHOUT ROWID"])


def other_history(path: Path) -> ViewFile:
    made = ViewFile(path)
    made.put((1, "other", b"", 1))
    made.put((2, "b", b"", 2))
    return made


def shorter_history(path: Path) -> ViewFile:
    made = ViewFile(path)
    made.put((1, "a", b"", 1))
    return made


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (other_code, CopyReason.CODE),
        (OtherBudget, CopyReason.ENGINE),
        (other_tables, CopyReason.SCHEMA),
        (other_history, CopyReason.HISTORY),
        (shorter_history, CopyReason.HISTORY),
    ],
)
@pytest.mark.parametrize("is_running", [True, False])
def test_a_view_that_the_tables_cannot_have_come_from_is_copied_anew(
    view: ViewFile,
    sink: Sink,
    settings: SinkSettings,
    make: Callable[[Path], ViewFile],
    reason: CopyReason,
    is_running: bool,
) -> None:
    view.put((1, "a", b"", 1))
    view.put((2, "b", b"", 2))
    level(sink)
    view.close()
    for path in view.path.parent.glob("view.db*"):
        path.unlink()
    made = make(view.path)
    if not is_running:
        sink.close()
    steps = level(sink)
    assert [step.copied for step in steps] == [reason]
    assert_equal(made, settings)
    made.close()


def test_rows_that_somebody_changed_are_noticed_and_copied_anew(
    view: ViewFile, sink: Sink, settings: SinkSettings, ask: Ask
) -> None:
    view.put((1, "a", b"", 1), (2, "b", b"", 2))
    level(sink)
    ask("DELETE FROM items WHERE id = 2")
    assert not check(settings.conninfo, settings.namespace, settings.view).is_equal
    view.put((2, "c", b"", 3))
    with pytest.raises(SinkError) as caught:
        sink.step()
    assert caught.value.failure is SinkFailure.ROWS_DIFFER
    assert [step.copied for step in level(sink)] == [CopyReason.ROWS]
    assert_equal(view, settings)


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE items",
        "ALTER TABLE items DROP COLUMN name",
        "ALTER TABLE items ALTER COLUMN name TYPE integer USING 7",
        "DROP TABLE tally_unheld",
    ],
)
def test_tables_that_somebody_changed_are_made_anew(
    view: ViewFile, sink: Sink, settings: SinkSettings, ask: Ask, damage: str
) -> None:
    view.put((1, "a\0", b"", 1), (2, "b", b"", 2))
    level(sink)
    ask(damage)
    view.put((1, "a", b"", 1), (2, "c", b"", 3))
    failures = []
    for _ in range(4):
        try:
            level(sink)
        except SinkError as error:
            failures.append(error.failure)
    assert set(failures) == {SinkFailure.ROWS_DIFFER}
    assert len(failures) <= 2
    assert_equal(view, settings)


def test_a_schema_that_somebody_dropped_is_made_again(
    view: ViewFile, sink: Sink, settings: SinkSettings, ask: Ask
) -> None:
    view.put((1, "a", b"", 1))
    level(sink)
    ask(f"DROP SCHEMA {settings.namespace} CASCADE")
    view.put((2, "b", b"", 2))
    with pytest.raises(SinkError):
        sink.step()
    assert [step.copied for step in level(sink)] == [CopyReason.FIRST]
    assert_equal(view, settings)


def test_a_second_sink_is_kept_out_until_the_first_ends(
    view: ViewFile, sink: Sink, settings: SinkSettings
) -> None:
    view.put((1, "a", b"", 1))
    level(sink)
    second = Sink(settings)
    view.put((2, "b", b"", 2))
    with pytest.raises(SinkError) as caught:
        second.step()
    assert caught.value.failure is SinkFailure.SINK_BUSY
    level(sink)
    sink.close()
    assert level(second) == []
    second.close()
    assert_equal(view, settings)


def test_two_sinks_without_a_lock_between_them_do_not_double(
    view: ViewFile, sink: Sink, settings: SinkSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As behind a pooler that gives each transaction another connection.
    monkeypatch.setattr(Target, "lock", lambda self: True)
    level(sink)
    second = Sink(settings)
    level(second)
    chooser = random.Random(7)
    failures = set()
    for number in range(30):
        view.put((number % 4, str(number), b"", number))
        for each in chooser.sample([sink, second], 2):
            try:
                each.step()
            except SinkError as error:
                failures.add(error.failure)
    assert failures == {SinkFailure.SINK_OVERTAKEN}
    second.close()
    level(sink)
    assert_equal(view, settings)


def test_keys_of_several_columns_anywhere_in_a_row_are_followed(
    tmp_path: Path, postgres: PostgresServer, namespace: str
) -> None:
    tables = [
        'CREATE TABLE "user" (a INT, "table" TEXT, xmin BLOB, "all" INTEGER, '
        'PRIMARY KEY (xmin, "all")) STRICT, WITHOUT ROWID',
        "CREATE TABLE keys (b TEXT, a INTEGER, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID",
    ]
    view = ViewFile(tmp_path / "keys.db", tables)
    settings = SinkSettings(view.path, postgres.conninfo, namespace)
    sink = Sink(settings)
    level(sink)
    rows = [(n, f"t{n}", b"x" * (n % 3), n % 7) for n in range(21)]
    keys = [(f"k{n % 5}", n) for n in range(9)]
    view.message(
        ('INSERT INTO "user" VALUES (?, ?, ?, ?)', rows), ("INSERT INTO keys VALUES (?, ?)", keys)
    )
    level(sink)
    view.message(
        ('UPDATE "user" SET a = a + 1, "table" = NULL WHERE "all" = ?', [[3], [4]]),
        ('UPDATE "user" SET "all" = "all" + 100 WHERE xmin = ?', [[b"x"]]),
        ('DELETE FROM "user" WHERE xmin = ?', [[b"xx"]]),
        ("UPDATE keys SET b = ? WHERE a = ?", [["k\0", 1], ["y" * 3_000, 2], ["z", 3]]),
        ("DELETE FROM keys WHERE a = ?", [[4]]),
    )
    level(sink)
    assert_equal(view, settings)
    sink.close()
    view.close()


@pytest.mark.parametrize("seed", range(10))
def test_digests_are_equal_after_every_step_of_random_messages(
    view: ViewFile,
    sink: Sink,
    settings: SinkSettings,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    chooser = random.Random(seed)
    monkeypatch.setattr(source_module, "BATCH_CHANGE_COUNT", chooser.choice([1, 7, 40]))
    for _ in range(12):
        for _ in range(chooser.randrange(4)):
            hostile_message(view, chooser)
        if chooser.random() < 0.3:
            view.write_sum()
        if chooser.random() < 0.3:
            sink.close()
        level(sink)
        assert_equal(view, settings)


def hostile_message(view: ViewFile, chooser: random.Random) -> None:
    """Inserts, updates and deletes of rows of which some cannot be held."""
    names = [None, "", "a", "\0", "a\0b", "ä" * 700, "x" * 3_000, "'; DROP TABLE items; --", "\\N"]
    rows = [
        (
            chooser.randrange(12),
            chooser.choice(names),
            chooser.choice([b"", b"\0", bytes(3_000), b"\\x00"]),
            chooser.choice([None, 0, -(2**63), 2**63 - 1]),
        )
        for _ in range(chooser.randrange(6))
    ]
    gone = [(key,) for key in range(12) if chooser.random() < 0.15]
    moved = [(chooser.randrange(100, 110), chooser.randrange(12))]
    view.message(
        (
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)",
            rows,
        ),
        ("DELETE FROM items WHERE id = ?", gone),
        ("UPDATE OR REPLACE items SET id = ? WHERE id = ?", moved),
    )


def test_a_connection_that_is_cut_off_in_a_transaction_leaves_nothing(
    view: ViewFile, sink: Sink, settings: SinkSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    level(sink)
    view.put((1, "a", b"", 1))
    apply = Target.apply

    def cut(target: Target, *arguments: Any) -> None:
        apply(target, *arguments)
        with psycopg.connect(settings.conninfo, autocommit=True) as owner:
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'tallystick sink'"
            )

    with monkeypatch.context() as patch:
        patch.setattr(Target, "apply", cut)
        with pytest.raises(SinkError) as caught:
            sink.step()
    assert caught.value.failure is SinkFailure.UNREACHABLE
    found = check(settings.conninfo, settings.namespace, settings.view)
    assert (found.seq, found.row_count, found.is_equal) == (-1, 0, True)
    assert level(sink) == [Step(0, change_count=1)]
    assert_equal(view, settings)


def test_a_full_disk_is_named_and_nothing_is_lost(
    view: ViewFile, sink: Sink, settings: SinkSettings, ask: Ask
) -> None:
    level(sink)
    ask(
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN COPY (SELECT 1) TO '/dev/full'; RETURN new; END $$"
    )
    ask("CREATE TRIGGER fill BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION fill()")
    view.put((1, "a", b"", 1))
    with pytest.raises(SinkError) as caught:
        sink.step()
    assert caught.value.failure is SinkFailure.DISK_FULL
    assert caught.value.is_transient
    ask("DROP TRIGGER fill ON items")
    assert level(sink) == [Step(0, change_count=1)]
    assert_equal(view, settings)


def test_a_role_without_rights_is_named_and_one_that_reads_reads(
    view: ViewFile, sink: Sink, settings: SinkSettings, postgres: PostgresServer, ask: Ask
) -> None:
    view.put((1, "a", b"", 1))
    level(sink)
    sink.close()
    reader = f"reader_{settings.namespace}"
    ask(f"CREATE ROLE {reader} LOGIN")
    conninfo = f"host={postgres.folder} dbname=postgres user={reader}"
    with pytest.raises(SinkError) as caught:
        check(conninfo, settings.namespace, settings.view)
    assert caught.value.failure is SinkFailure.PERMISSION_DENIED
    ask(f"GRANT USAGE ON SCHEMA {settings.namespace} TO {reader}")
    ask(f"GRANT SELECT ON ALL TABLES IN SCHEMA {settings.namespace} TO {reader}")
    assert check(conninfo, settings.namespace, settings.view).is_equal
    view.put((2, "b", b"", 2))
    with pytest.raises(SinkError) as caught:
        Sink(SinkSettings(view.path, conninfo, settings.namespace)).step()
    assert caught.value.failure is SinkFailure.PERMISSION_DENIED
    ask(f"DROP OWNED BY {reader}")
    ask(f"DROP ROLE {reader}")


def test_a_writer_with_a_schema_and_nothing_else_is_enough(
    view: ViewFile, settings: SinkSettings, postgres: PostgresServer, ask: Ask
) -> None:
    writer = f"writer_{settings.namespace}"
    ask(f"CREATE ROLE {writer} LOGIN")
    ask(f"CREATE SCHEMA {settings.namespace} AUTHORIZATION {writer}")
    conninfo = f"host={postgres.folder} dbname=postgres user={writer}"
    sink = Sink(SinkSettings(view.path, conninfo, settings.namespace))
    view.put((1, "a", b"", 1))
    level(sink)
    view.put((1, "\0", b"", 1))
    level(sink)
    sink.close()
    assert_equal(view, settings)
    ask(f"DROP OWNED BY {writer}")
    ask(f"DROP ROLE {writer}")
