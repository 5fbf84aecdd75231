"""`tally timeline`."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.e2e


def test_a_channels_life_fits_the_screen(tally, channel_id, alice_dir, bob_dir) -> None:
    for directory in (alice_dir, bob_dir):
        told = tally("timeline", channel_id, "--dir", directory, COLUMNS="80").stdout
        lines = told.splitlines()
        assert max(map(len, lines)) <= 80
        assert lines[0].startswith("Direct channel 0x")
        assert "this node" in told
        assert "\x1b" not in told
        assert "deposited, block" in told


def test_it_can_be_a_picture_or_mermaid_or_json(
    tally, tally_json, channel_id, alice_dir, tmp_path: Path
) -> None:
    picture = tmp_path / "channel.svg"
    said = tally("timeline", channel_id[:12], "--svg", picture, "--dir", alice_dir)
    assert str(picture) in said.stdout.replace("\n", "")
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    drawn = tally("timeline", channel_id, "--mermaid", "--dir", alice_dir).stdout
    assert drawn.startswith("sequenceDiagram\n")
    rows = tally_json("timeline", channel_id, "--dir", alice_dir)["rows"]
    assert drawn.count("\n") > len(rows) > 5


def test_the_past_can_be_drawn(tally_json, channel_id, alice_dir) -> None:
    rows = tally_json("timeline", channel_id, "--dir", alice_dir)["rows"]
    seq = rows[3]["seq"]
    then = tally_json("timeline", channel_id, "--at", str(seq), "--dir", alice_dir)["rows"]
    assert [row["seq"] for row in then] == [row["seq"] for row in rows[:4]]


def test_two_forms_at_once_are_bad_usage(tally, channel_id, alice_dir) -> None:
    assert tally("timeline", channel_id, "--mermaid", "--json", "--dir", alice_dir).exit_code == 2


def test_a_directory_that_is_not_there_is_named(tally, channel_id, alice_dir, tmp_path) -> None:
    where = tmp_path / "nowhere" / "a.svg"
    done = tally("timeline", channel_id, "--svg", where, "--dir", alice_dir)
    assert done.exit_code == 1
    assert "No such file" in done.stderr
