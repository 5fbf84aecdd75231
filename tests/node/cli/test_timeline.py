"""`tally timeline`."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from node.cli import explain, timeline

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
    # The picture is the later one: a row may come between the two.
    rows = tally_json("timeline", channel_id, "--dir", alice_dir)["rows"]
    drawn = tally("timeline", channel_id, "--mermaid", "--dir", alice_dir).stdout
    assert drawn.startswith("sequenceDiagram\n")
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


def test_a_life_may_be_drawn_from_one_moment_to_another(
    tally, tally_json, channel_id, alice_dir
) -> None:
    rows = tally_json("timeline", channel_id, "--dir", alice_dir)["rows"]
    first, last = rows[2]["seq"], rows[4]["seq"]
    asked = ["timeline", channel_id, "--from", str(first), "--to", str(last), "--dir", alice_dir]
    part = tally_json(*asked)
    assert [row["seq"] for row in part["rows"]] == [row["seq"] for row in rows[2:5]]
    assert tally(*asked).stdout.splitlines()[-1].startswith("It begins at record")
    twice = [*asked, "--at", str(last)]
    assert tally(*twice).exit_code == 2
    assert tally("timeline", channel_id, "--from", "tomorrow", "--dir", alice_dir).exit_code != 0


def test_a_picture_that_is_cut_says_so(
    tally, channel_id, alice_dir, monkeypatch, tmp_path: Path
) -> None:
    story = explain.channel_story(alice_dir, channel_id)
    monkeypatch.setattr(timeline, "channel_story", lambda *_: {**story, "next_seq": 5_003})
    for form in ((), ("--mermaid",)):
        told = tally("timeline", channel_id, *form, "--dir", alice_dir).stdout
        assert "--from 5003" in told
    picture = tmp_path / "cut.svg"
    said = tally("timeline", channel_id, "--svg", picture, "--dir", alice_dir).stdout
    assert "--from 5003" in said
    assert "--from 5003" in picture.read_text()
