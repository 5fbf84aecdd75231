"""The picture as Mermaid text."""

from node.explain.draw_mermaid import draw_mermaid
from tests.support.diagrams import DIAGRAM


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
