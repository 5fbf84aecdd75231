"""A sequence diagram in letters, as wide as the screen."""

from __future__ import annotations

from itertools import pairwise

from node.explain.diagram import Diagram, Lifeline, Row
from node.explain.words import moment

MARGIN = 12
"""Columns at the left, for the time and the record."""
WIDTH_MIN = 60
"""Narrower than this nothing can be read: the lines are left to be folded."""
GAP_MAX = 46
"""Columns between two lifelines on a wide screen."""


def draw_text(diagram: Diagram, width: int) -> list[str]:
    """The lines of the picture, none wider than `width` columns (60 at least)."""
    width = max(width, WIDTH_MIN)
    places = _places(diagram.lifelines, width)
    lines = [_cut(diagram.title, width), _cut(diagram.subtitle, width), ""]
    lines += _heads(diagram.lifelines, places, width)
    for row in diagram.rows:
        lines += _row(row, places, width)
    lines += [_cut(note, width) for note in diagram.notes]
    return [line.rstrip() for line in lines]


def _places(lifelines: list[Lifeline], width: int) -> dict[str, int]:
    """In which column each lifeline runs."""
    count = len(lifelines)
    room = width - MARGIN - 1
    gap = min(room // count, GAP_MAX)
    return {line.key: MARGIN + gap // 2 + gap * place for place, line in enumerate(lifelines)}


def _heads(lifelines: list[Lifeline], places: dict[str, int], width: int) -> list[str]:
    gap = min(
        (right - left for left, right in pairwise(places.values())),
        default=width - MARGIN,
    )
    found = []
    for texts in ([line.name for line in lifelines], [line.role for line in lifelines]):
        line = [" "] * width
        for place, text in zip(places.values(), texts, strict=True):
            _put(line, place - min(len(text), gap - 1) // 2, _cut(text, gap - 1))
        found.append("".join(line))
    return [*found, _bars(places, width)]


def _row(row: Row, places: dict[str, int], width: int) -> list[str]:
    """The label above, the arrow below; a note in one line."""
    when, seqs = moment(row.time_ms)[11:19], str(row.seq)
    if row.last_seq != row.seq:
        seqs = f"{row.seq}-{row.last_seq}"
    source = places[row.source]
    if row.target is None:
        line = list(_bars(places, width))
        _put(line, source, "● " + _cut(row.label, width - source - 3) + " ")
        _put(line, 0, _cut(seqs, MARGIN - 1))
        return ["".join(line)]
    target = places[row.target]
    left, right = min(source, target), max(source, target)
    above, below = list(_bars(places, width)), list(_bars(places, width))
    label = _cut(row.label, width - left - 3)
    start = left + max(2, (right - left - len(label)) // 2 + 1)
    start = min(start, width - len(label) - 1)
    _put(above, start, label + " ")
    _put(above, 0, when)
    stroke = "═" if row.is_run else "─"
    _put(below, left, "├" if source < target else "◄")
    _put(below, left + 1, stroke * (right - left - 1))
    _put(below, right, "►" if source < target else "┤")
    _put(below, 0, _cut(seqs, MARGIN - 1))
    return ["".join(above), "".join(below)]


def _bars(places: dict[str, int], width: int) -> str:
    line = [" "] * width
    for place in places.values():
        line[place] = "│"
    return "".join(line)


def _put(line: list[str], place: int, text: str) -> None:
    for offset, letter in enumerate(text):
        if 0 <= place + offset < len(line):
            line[place + offset] = letter


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(0, room - 1)] + "…"
