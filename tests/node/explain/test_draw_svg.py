"""The picture as SVG."""

from xml.etree import ElementTree

from node.explain.draw_svg import LABEL_LENGTH_MAX, draw_svg
from tests.support.diagrams import ALONE, CUT, DIAGRAM, NASTY

SVG = "{http://www.w3.org/2000/svg}"


def texts(kind: str) -> list[str]:
    root = ElementTree.fromstring(draw_svg(DIAGRAM))
    return [found.text or "" for found in root.iter(f"{SVG}text") if found.get("class") == kind]


def test_every_text_is_a_text_and_never_markup() -> None:
    drawn = draw_svg(DIAGRAM)
    assert "<script" not in drawn
    assert texts("note") == [f"signs {NASTY}"]
    assert f"sends {NASTY}" in texts("label")
    assert NASTY in texts("subtitle")[0]


def test_the_file_needs_nothing_else() -> None:
    root = ElementTree.fromstring(draw_svg(DIAGRAM))
    tags = {found.tag.removeprefix(SVG) for found in root.iter()}
    assert tags == {"svg", "style", "defs", "marker", "path", "rect", "line", "text"}
    assert "href" not in draw_svg(DIAGRAM)
    assert "url(http" not in draw_svg(DIAGRAM)


def test_all_of_it_is_inside_of_the_picture() -> None:
    root = ElementTree.fromstring(draw_svg(DIAGRAM))
    width, height = int(root.get("width", "")), int(root.get("height", ""))
    for found in root.iter(f"{SVG}line"):
        assert 0 < float(found.get("x1", "")) < width
        assert 0 < float(found.get("y2", "")) < height
    arrows = [f for f in root.iter(f"{SVG}line") if "arrow" in (f.get("class") or "")]
    assert len(arrows) == 5
    assert [f.get("class") for f in arrows].count("arrow run") == 1


def test_a_long_label_is_cut_and_says_so() -> None:
    assert "x" * LABEL_LENGTH_MAX + "…" in texts("label")


def test_a_channel_of_which_nothing_is_known_still_has_a_picture() -> None:
    assert ElementTree.fromstring(draw_svg(ALONE)).tag == f"{SVG}svg"


def test_what_is_not_drawn_is_said_below_and_inside_of_the_picture() -> None:
    root = ElementTree.fromstring(draw_svg(CUT))
    found = {text.text: float(text.get("y", "")) for text in root.iter(f"{SVG}text")}
    lines = max(float(line.get("y2", "")) for line in root.iter(f"{SVG}line"))
    for note in CUT.notes:
        assert lines < found[note] < int(root.get("height", ""))
