"""--set section.key=value."""

import pytest
import typer

from node.cli.settings import parse_overrides


def test_settings_are_taken_as_text() -> None:
    given = ["chain.urls=ws://a:1?x=y", "node.name="]
    assert parse_overrides(given) == {"chain.urls": "ws://a:1?x=y", "node.name": ""}
    assert parse_overrides(None) == {}


@pytest.mark.parametrize("texts", [["name=x"], ["node.name"], ["a.b=1", "a.b=2"]])
def test_what_is_no_setting_is_bad_usage(texts: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        parse_overrides(texts)
