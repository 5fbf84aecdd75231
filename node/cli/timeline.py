"""`tally timeline`: a channel's life as a sequence diagram."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from node.cli.explain import channel_story
from node.cli.failures import reports_failures
from node.cli.node_call import channel_id_of
from node.cli.options import HERE, AsJson, At, NodeDir
from node.cli.output import PIPE_WIDTH, print_json, say


@reports_failures
def timeline(
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="The channel, by its id or its beginning.")
    ],
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a picture into this file instead.")
    ] = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print Mermaid text instead.")] = False,
    from_at: Annotated[
        str | None,
        typer.Option("--from", metavar="MOMENT", help="Begin there, not at its opening."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="MOMENT", help="End there; the same as --at.")
    ] = None,
    at: At = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Draw who sent what to whom in a channel, and what the chain did."""
    from node.explain.diagram import diagram_of

    if sum((svg is not None, mermaid, as_json)) > 1:
        raise typer.BadParameter("give one of --svg, --mermaid and --json")
    if at is not None and to is not None:
        raise typer.BadParameter("--to and --at are the same: give one of them")
    end = to if at is None else at
    channel_id = channel_id_of(directory, channel, end)
    story = channel_story(directory, channel_id, from_at, end)
    diagram = diagram_of(story, is_late=from_at is not None)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(diagram))
    elif mermaid:
        from node.explain.draw_mermaid import draw_mermaid

        sys.stdout.write(draw_mermaid(diagram))
    elif svg is not None:
        from node.explain.draw_svg import draw_svg

        svg.write_text(draw_svg(diagram), encoding="utf-8")
        say(f"Wrote {svg}: {len(diagram.rows)} arrows and notes.")
        for note in diagram.notes:
            say(note)
    else:
        from node.explain.draw_text import draw_text

        sys.stdout.write("\n".join(draw_text(diagram, _width())) + "\n")


def _width() -> int:
    """The screen's columns; a pipe has as many as tables get there."""
    return shutil.get_terminal_size((PIPE_WIDTH // 2, 0)).columns
