"""Settings given on the command line: `--set section.key=value`."""

import typer


def parse_overrides(texts: list[str] | None) -> dict[str, str]:
    """`section.key` -> text; raises typer.BadParameter. The configuration checks the rest."""
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or "." not in name:
            raise typer.BadParameter(f"{text[:80]!r} is not of the form section.key=value")
        if name in found:
            raise typer.BadParameter(f"{name} is set twice")
        found[name] = value
    return found
