"""What opens of a log whose damage RocksDB forgives in no mode."""

from pathlib import Path

from node.store import wal
from node.store.kv import LOG
from node.store.rocks import RocksKeyValue
from node.store.salvage import fill_shadow
from tests.support.logs import fill, flip, make_log, newest


def records(path: Path) -> int:
    store = RocksKeyValue.open_beside(path)
    try:
        return sum(1 for _ in store.iterate(LOG))
    finally:
        store.close()


def shadow_of(path: Path, name: str) -> Path:
    shadow = path.parent / name
    shadow.mkdir()
    fill_shadow(path, shadow)
    return shadow


def test_a_sound_log_is_there_as_a_whole_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    make_log(path, 120).close()
    log = make_log(path, 200)
    log.close()
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    assert records(shadow_of(path, "shadow")) == 200
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_it_ends_before_the_first_bad_write(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = make_log(path, 100)
    fill(log, 200)
    file = newest(path, ".log")
    entries = wal.walk(file.read_bytes()).entries
    flip(file, entries[4][0].start + 40)
    assert records(shadow_of(path, "shadow")) == 31
    (path / "999999.log").write_bytes(file.read_bytes())
    assert not (shadow_of(path, "another") / "999999.log").exists()
    log.close()
