"""The picture as Mermaid text."""

from msgspec.structs import replace

from node.explain.draw_mermaid import draw_mermaid
from tests.support.diagrams import ALONE, CUT, DIAGRAM


def test_it_is_a_sequence_diagram_with_a_line_for_everything() -> None:
    lines = draw_mermaid(DIAGRAM).splitlines()
    assert lines[0] == "sequenceDiagram"
    assert "    participant p1 as this node (payer)" in lines
    assert "    p0->>p1: 2 asks to open" in lines
    assert "    p3->>p1: 18 1 ETH deposited, block 101" in lines
    assert "    p1->>p2: 31-2510 1,240 payments, 12.4 ETH" in lines
    assert len(lines) == 2 + len(DIAGRAM.lifelines) + len(DIAGRAM.rows)


def test_nothing_in_a_label_means_anything_to_mermaid() -> None:
    (note,) = [line for line in draw_mermaid(DIAGRAM).splitlines() if "Note over" in line]
    label = note.partition(": ")[2]
    for letter in '<>"%{}':
        assert letter not in label
    assert "#lt;/text#gt;#lt;script#gt;" in label


def test_what_is_not_drawn_is_a_note_over_everybody() -> None:
    *before, first, last = draw_mermaid(CUT).splitlines()
    assert before == draw_mermaid(DIAGRAM).splitlines()
    assert first.startswith("    Note over p0,p3: It begins ")
    assert "<" not in first
    assert last == "    Note over p0,p3: It ends before record 9"
    alone = replace(ALONE, notes=["It goes on"])
    assert draw_mermaid(alone).splitlines()[-1] == "    Note over p0: It goes on"
