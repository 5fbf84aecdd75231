"""`tally audit`: sound logs, damaged logs, and what is no log."""

import re
import shutil
from pathlib import Path

import pytest

from node.cli.audit import place
from node.store.damage import seqs_in
from node.store.rocks import RocksKeyValue
from scripts.benchmarks.sound_logs import payees_log
from tests.support.daemons import Network
from tests.support.logs import flip
from tests.support.terminal import at_a_terminal

ERASED_LINE, HIDDEN_CURSOR, SHOWN_CURSOR = "\x1b[2K", "\x1b[?25l", "\x1b[?25h"


def test_what_is_no_log_is_one_error(tally_json, tmp_path: Path) -> None:
    refused = tally_json("audit", tmp_path / "none", exit_code=1)
    assert "no log" in refused["error"]["message"]


@pytest.mark.parametrize(
    ("seq", "last_seq", "file", "message", "place_text"),
    [
        (7, None, None, "the digest differs", "record 7: "),
        (7, None, None, "record 7 says 5", ""),
        (7, None, None, "record 70 says 5", "record 7: "),
        (80, 95, "18.sst", "records 80 to 95 in 18.sst cannot be read", ""),
        (80, 95, "18.sst", "18.sst, records 80 to 95: a wrong sum", ""),
        (80, 95, "18.sst", "a wrong sum", "records 80 to 95, 18.sst: "),
        (9, None, "2.log", "2.log, records from 9 on: a torn tail", ""),
        (None, None, "CURRENT", "names no file", "CURRENT: "),
        (None, None, None, "money is missing", ""),
    ],
)
def test_a_place_is_said_once(
    seq: int | None, last_seq: int | None, file: str | None, message: str, place_text: str
) -> None:
    item = {"seq": seq, "last_seq": last_seq, "file": file, "message": message}
    assert place(item) == place_text


@pytest.mark.slow
def test_a_terminal_shows_rate_and_time_left_and_then_the_report_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    payees_log(log, 3_000)
    shown = at_a_terminal(
        "import os, sys; os.environ |= {'TERM': 'xterm', 'COLUMNS': '80'}; import node.cli; "
        f"sys.argv = ['tally', 'audit', {str(log)!r}]; node.cli.main()",
        [],
    )
    bar, _, behind = shown.rpartition(ERASED_LINE)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bar)
    last = plain.rstrip().splitlines()[-1].rpartition("Auditing")[2]
    assert re.search(r" 3001/3001 records, [0-9,]+/s, left: 0:00:00$", last), last
    assert (bar.count(HIDDEN_CURSOR), bar.count(SHOWN_CURSOR)) == (1, 1)
    assert behind.splitlines()[0] == f"{log}: 3001 records"
    assert behind.splitlines()[-1] == "Nothing to find fault with."
    assert "\x1b" not in behind


@pytest.mark.e2e
def test_a_killed_nodes_log_is_sound_and_worth_a_note(
    tally, tally_json, network: Network, channel_id, tmp_path: Path
) -> None:
    network.bob.kill()
    copy = tmp_path / "data"
    shutil.copytree(network.bob.log_path, copy)
    network.bob.start()
    report = tally_json("audit", copy)
    assert report["findings"] == []
    assert "not stopped cleanly" in report["notes"][-1]["message"]
    result = tally("audit", copy)
    assert result.exit_code == 0
    assert "note: " in result.stdout
    assert "not stopped cleanly" in result.stdout


@pytest.mark.e2e
def test_a_running_nodes_log_is_sound(tally, tally_json, network: Network, channel_id) -> None:
    network.alice.call("payment_send", channel_id=channel_id, amount="1", until="receipt")
    report = tally_json("audit", network.alice.log_path)
    assert report["findings"] == []
    assert report["records"] > 10
    assert report["log"] == str(network.alice.log_path)
    by_directory = tally("audit", network.bob.directory)
    assert by_directory.exit_code == 0
    assert "Nothing to find fault with" in by_directory.stdout


@pytest.fixture
def damaged(network: Network, channel_id: str, tmp_path: Path) -> Path:
    """The table of record 0 in a copy of bob's log, with one byte of its first records flipped."""
    network.bob.stop()
    copy = tmp_path / "data"
    shutil.copytree(network.bob.log_path, copy)
    network.bob.start()
    store = RocksKeyValue.open_beside(copy)
    (table,) = (file for file in copy.glob("*.sst") if 0 in (seqs_in(store, file.name) or ()))
    store.close()
    # Its first block holds the first records.
    flip(table, 64)
    return table


@pytest.mark.e2e
def test_a_flipped_byte_is_found_and_named(tally, tally_json, damaged: Path) -> None:
    report = tally_json("audit", damaged.parent, exit_code=3)
    first = report["findings"][0]
    assert (first["seq"], first["file"]) == (0, damaged.name)
    assert first["last_seq"] > 0
    result = tally("audit", damaged.parent)
    assert result.exit_code == 3
    told = [line for line in result.stdout.splitlines() if "finding: " in line]
    assert len(told) == len(report["findings"])
    records = f"records 0 to {first['last_seq']}"
    assert told[0].startswith(f"  finding: {records} in {damaged.name} cannot be read: ")
    assert told[0].count(records) == 1
    assert result.stdout.endswith("The log is not sound.\n")


@pytest.mark.e2e
def test_a_part_of_a_log_says_what_is_taken_for_granted(
    tally, tally_json, network: Network, channel_id
) -> None:
    log = network.alice.log_path
    part = tally_json("audit", log, "--from", 5, "--channel", channel_id)
    assert part["findings"] == []
    assert [words.partition(":")[0] for words in part["assumed"]] == [
        "records 0 to 4",
        f"all but channel {channel_id}",
    ]
    assert "taken for granted: records 0 to 4" in tally("audit", log, "--from", 5).stdout
    assert tally("audit", log, "--channel", "0x12").exit_code == 2


@pytest.mark.e2e
def test_the_chain_is_asked_if_it_is_named(tally, tally_json, network: Network, channel_id) -> None:
    log = network.alice.log_path
    report = tally_json("audit", log, "--rpc", network.chain.url)
    assert (report["findings"], report["assumed"]) == ([], [])
    refused = tally_json("audit", log, "--rpc", "http://127.0.0.1:1", exit_code=1)
    assert refused["error"]["name"] == "ENDPOINT_DOWN"
