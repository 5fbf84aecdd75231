"""Errors of the tools say what to do."""

from node.reducers.errors import CompilerMissing, ToolError


def test_an_error_says_what_to_do_if_anything_can_be_done() -> None:
    assert str(CompilerMissing("no compiler", "Install one")) == "no compiler. Install one"
    assert str(ToolError("broken")) == "broken"
