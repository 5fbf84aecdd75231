"""The picture in letters."""

import pytest

from node.explain.draw_text import WIDTH_MIN, draw_text
from tests.support.diagrams import ALONE, CUT, DIAGRAM


@pytest.mark.parametrize("width", [0, 60, 80, 100, 250])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    lines = draw_text(DIAGRAM, width)
    assert max(map(len, lines)) <= max(width, WIDTH_MIN)
    heads = 6
    notes = sum(row.target is None for row in DIAGRAM.rows)
    assert len(lines) == heads + 2 * len(DIAGRAM.rows) - notes


def test_arrows_begin_and_end_at_lifelines() -> None:
    lines = draw_text(DIAGRAM, 100)
    bars = [place for place, letter in enumerate(lines[5]) if letter == "│"]
    assert len(bars) == 4
    arrows = [line for line in lines if "►" in line or "◄" in line]
    ends = [
        tuple(place for place, letter in enumerate(line) if letter in "├►◄┤") for line in arrows
    ]
    owner, us, peer, chain = bars
    assert ends == [(owner, us), (us, peer), (us, chain), (us, peer), (peer, chain)]
    assert "►" in arrows[0]
    assert "◄" in arrows[2]
    assert "═" in arrows[3]
    assert arrows[3].startswith("31-2510")


def test_times_and_labels_stand_above_their_arrows() -> None:
    lines = draw_text(DIAGRAM, 120)
    place = next(n for n, line in enumerate(lines) if line.startswith("31-2510"))
    assert lines[place - 1].startswith("00:00:02")
    assert "1,240 payments, 12.4 ETH" in lines[place - 1]


def test_a_channel_of_which_nothing_is_known_still_has_a_picture() -> None:
    lines = draw_text(ALONE, 80)
    assert lines[:2] == ["Channel", "It is forgotten."]
    assert "this node" in lines[3]


def test_what_is_not_drawn_is_said_below() -> None:
    assert draw_text(CUT, 100)[-1] == "It ends before record 9"
    assert draw_text(CUT, 100)[:-2] == draw_text(DIAGRAM, 100)
    assert max(map(len, draw_text(CUT, 60))) <= 60
