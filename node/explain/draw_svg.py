"""A sequence diagram as one SVG file that needs nothing else: no font, no script, no link."""

from __future__ import annotations

from xml.sax.saxutils import escape

from node.explain.diagram import Diagram, Lifeline, Row
from node.explain.words import moment

MARGIN, GAP, EDGE = 150, 250, 40
"""Pixels: left of the first lifeline's box, between lifelines, around everything."""
HEAD_TOP, HEAD_HEIGHT, HEAD_WIDTH = 96, 52, 170
ROW_HEIGHT, NOTE_HEIGHT = 46, 26
LETTER_WIDTH = 6.6
"""Of the labels' font, about: for the room behind a text."""
LABEL_LENGTH_MAX = 90

_STYLE = """\
  svg { background: #ffffff; font-family: "Inter", "Segoe UI", Helvetica, Arial, sans-serif; }
  .title { font-size: 20px; font-weight: 600; fill: #16202c; }
  .subtitle { font-size: 13px; fill: #5b6878; }
  .line { stroke: #c3ccd6; stroke-width: 1.2; stroke-dasharray: 4 5; }
  .box { fill: #f3f6f9; stroke: #c3ccd6; }
  .us { fill: #e3f0ec; stroke: #2f7d67; }
  .chain { fill: #efeafc; stroke: #6c55b8; }
  .name { font-size: 14px; font-weight: 600; fill: #16202c; text-anchor: middle; }
  .role { font-size: 11.5px; fill: #5b6878; text-anchor: middle; }
  .label { font-size: 12px; fill: #16202c; text-anchor: middle; }
  .note { font-size: 12px; fill: #5b4a12; text-anchor: middle; }
  .paper { fill: #fdf5d8; stroke: #e3d08a; }
  .halo { fill: #ffffff; fill-opacity: 0.92; }
  .arrow { stroke: #33475b; stroke-width: 1.5; fill: none; }
  .run { stroke: #2f7d67; stroke-width: 4; }
  .onchain { stroke: #6c55b8; }
  .when { font-size: 11px; fill: #8a96a5; }
  .seq { font-size: 11px; fill: #5b6878; }"""
_MARKERS = (("tip", "#33475b"), ("runtip", "#2f7d67"), ("chaintip", "#6c55b8"))


def draw_svg(diagram: Diagram) -> str:
    """The picture as XML; every text in it is escaped."""
    places = {line.key: MARGIN + EDGE + GAP * n for n, line in enumerate(diagram.lifelines)}
    top = HEAD_TOP + HEAD_HEIGHT + 26
    heights = [NOTE_HEIGHT + 10 if row.target is None else ROW_HEIGHT for row in diagram.rows]
    bottom = top + sum(heights) + 10
    last_place = MARGIN + EDGE + GAP * (len(diagram.lifelines) - 1)
    below = NOTE_HEIGHT * len(diagram.notes)
    width, height = last_place + HEAD_WIDTH // 2 + 2 * EDGE + 60, bottom + EDGE + below
    parts = [_opening(width, height), _text("title", EDGE, 44, diagram.title)]
    parts.append(_text("subtitle", EDGE, 68, diagram.subtitle))
    for line in diagram.lifelines:
        x = places[line.key]
        parts.append(
            f'<line class="line" x1="{x}" y1="{HEAD_TOP + HEAD_HEIGHT}" x2="{x}" y2="{bottom}"/>'
        )
        parts += _head(line, x)
    y = top
    for row, row_height in zip(diagram.rows, heights, strict=True):
        parts += _row(row, places, y)
        y += row_height
    for place, note in enumerate(diagram.notes, 1):
        parts.append(_text("subtitle", EDGE, bottom + NOTE_HEIGHT * place, note))
    return "\n".join([*parts, "</svg>", ""])


def _opening(width: int, height: int) -> str:
    markers = "\n".join(
        f'  <marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" '
        f'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
        f'<path d="M0,0.8 L10,5 L0,9.2 z" fill="{colour}"/></marker>'
        for name, colour in _MARKERS
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n'
        f"<style>\n{_STYLE}\n</style>\n<defs>\n{markers}\n</defs>\n"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    )


def _head(line: Lifeline, x: int) -> list[str]:
    kind = {"us": "box us", "chain": "box chain"}.get(line.key, "box")
    left = x - HEAD_WIDTH // 2
    box = (
        f'<rect class="{kind}" x="{left}" y="{HEAD_TOP}" width="{HEAD_WIDTH}" '
        f'height="{HEAD_HEIGHT}" rx="8"/>'
    )
    if not line.role:
        return [box, _text("name", x, HEAD_TOP + 31, line.name)]
    name, role = (
        _text("name", x, HEAD_TOP + 23, line.name),
        _text("role", x, HEAD_TOP + 41, line.role),
    )
    return [box, name, role]


def _row(row: Row, places: dict[str, int], y: int) -> list[str]:
    seqs = f"{row.seq}-{row.last_seq}" if row.is_run else str(row.seq)
    label = row.label if len(row.label) <= LABEL_LENGTH_MAX else row.label[:LABEL_LENGTH_MAX] + "…"
    x = places[row.source]
    if row.target is None:
        half = int(len(label) * LETTER_WIDTH / 2) + 10
        paper = (
            f'<rect class="paper" x="{x - half}" y="{y}" width="{2 * half}" '
            f'height="{NOTE_HEIGHT}" rx="4"/>'
        )
        return [paper, _text("note", x, y + 17, label), _text("seq", EDGE, y + 17, f"#{seqs}")]
    target = places[row.target]
    middle, half = (x + target) // 2, int(len(label) * LETTER_WIDTH / 2) + 4
    level = y + 30
    kind, tip = "arrow", "tip"
    if row.is_run:
        kind, tip = "arrow run", "runtip"
    elif "chain" in (row.source, row.target):
        kind, tip = "arrow onchain", "chaintip"
    end = target - 4 if target > x else target + 4
    return [
        f'<line class="{kind}" x1="{x}" y1="{level}" x2="{end}" y2="{level}" '
        f'marker-end="url(#{tip})"/>',
        f'<rect class="halo" x="{middle - half}" y="{y + 6}" width="{2 * half}" height="17"/>',
        _text("label", middle, y + 19, label),
        _text("when", EDGE, y + 20, moment(row.time_ms)[11:23]),
        _text("seq", EDGE, y + 34, f"#{seqs}"),
    ]


def _text(kind: str, x: int, y: int, text: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'
