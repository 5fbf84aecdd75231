"""`tally sink`: copy a view to PostgreSQL and keep it level. Needs no daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.failures import EXIT_FINDINGS, CommandFailed, reports_failures
from node.cli.options import AsJson
from node.cli.output import console, print_fields, print_json, say
from node.cli.signals import stop_on_sigterm

if TYPE_CHECKING:
    from node.sinks.errors import SinkError
    from node.sinks.sink import SinkSettings, Step

app = typer.Typer(
    no_args_is_help=True,
    help="Copy a view to PostgreSQL and keep it level, for readers who outgrow one machine.",
)

ViewFile = Annotated[Path, typer.Option("--view", metavar="FILE", help="The view's file.")]
Target = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="CONNINFO",
        envvar="TALLY_POSTGRES",
        help="The database, as libpq takes it: 'host=... dbname=...', 'service=...' or a "
        "postgresql:// address. Never with a password: PGPASSWORD or PGPASSFILE has it.",
    ),
]
Namespace = Annotated[
    str,
    typer.Option(
        "--schema", metavar="NAME", help="PostgreSQL's schema; named after the file otherwise."
    ),
]


@app.command()
@reports_failures
def run(
    view: ViewFile,
    to: Target,
    schema: Namespace = "",
    once: Annotated[bool, typer.Option("--once", help="Make it level and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make PostgreSQL level with a view, and keep it so until Ctrl-C."""
    from node.sinks.limits import ONCE_PATIENCE_S
    from node.sinks.worker import SinkRunner

    with sink_failures():
        runner = SinkRunner(_settings(view, to, schema), _say_step, _say_failure)
        stop_on_sigterm()
        try:
            if once:
                runner.run_once(ONCE_PATIENCE_S)
            else:
                runner.run(gives_up=True)
        except KeyboardInterrupt:
            # What was not committed is undone, and applied by the next sink.
            runner.sink.close()
    status = runner.status()
    if as_json:
        print_json(status.document())
    else:
        say(f"{status.namespace}: {status.state} at message {status.seq}")


@app.command()
@reports_failures
def status(view: ViewFile, to: Target, schema: Namespace = "", as_json: AsJson = False) -> None:
    """How far PostgreSQL is behind a view: beside a sink, also by a role that only reads."""
    from node.sinks.check import lag

    settings = _settings(view, to, schema)
    with sink_failures():
        found = lag(settings.conninfo, settings.namespace, settings.view)
    document = {
        "schema": settings.namespace,
        "seq": found.seq,
        "view_seq": found.view_seq,
        "lag_records": found.lag_records,
        "lag_s": round(found.lag_s, 3),
        "row_count": found.row_count,
        "unheld_count": found.unheld_count,
        "copied_seq": found.copied_seq,
        "code_hash": "0x" + found.code_hash.hex(),
    }
    if as_json:
        print_json(document)
    else:
        print_fields(f"the view in {settings.namespace}", document)


@app.command()
@reports_failures
def check(view: ViewFile, to: Target, schema: Namespace = "", as_json: AsJson = False) -> None:
    """Read all rows back and compare their digest with the view's; exits with 3 if they differ."""
    from node.sinks.check import check as read_back

    settings = _settings(view, to, schema)
    with sink_failures():
        found = read_back(settings.conninfo, settings.namespace, settings.view)
    document = {
        "equal": found.is_equal,
        "seq": found.seq,
        "row_count": found.row_count,
        "unheld_count": found.unheld_count,
        "digest": "0x" + found.digest.hex(),
        "stamp_digest": "0x" + found.stamp_digest.hex(),
        "view_digest": "0x" + (found.view_digest or b"").hex(),
    }
    if as_json:
        print_json(document)
    else:
        title = "equal" if found.is_equal else "NOT equal"
        print_fields(f"the view in {settings.namespace}: {title}", document)
    if not found.is_equal:
        raise typer.Exit(EXIT_FINDINGS)


@contextmanager
def sink_failures() -> Iterator[None]:
    """What a sink raises, as a command's failure under its own name."""
    from node.sinks.errors import SinkError

    try:
        yield
    except SinkError as error:
        name = error.failure.value.replace("-", "_").upper()
        raise CommandFailed(
            error.detail, error.next_step, name, retry_safe=error.is_transient
        ) from error


def _settings(view: Path, to: str, schema: str) -> SinkSettings:
    from node.sinks.driver import check_conninfo
    from node.sinks.layout import check_namespace
    from node.sinks.sink import SinkSettings

    with sink_failures():
        check_conninfo(to)
        return SinkSettings(view, to, check_namespace(schema or view.stem))


def _say_failure(error: SinkError) -> None:
    lines = [f"waiting: {error}", f"what to do: {error.next_step}" if error.next_step else ""]
    if error.is_transient:
        console(stderr=True).print("\n".join(filter(None, lines)), markup=False)


def _say_step(step: Step) -> None:
    if step.copied is not None:
        console(stderr=True).print(
            f"copied the view, {step.row_count} rows, at message {step.seq}: {step.copied}",
            markup=False,
        )
