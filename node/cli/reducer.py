"""`tally reducer`: begin a reducer, build it, run messages through it, replay and measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.failures import EXIT_FINDINGS, reports_failures
from node.cli.options import AsJson
from node.cli.output import print_json, say, tell
from node.cli.reducer_report import (
    print_profile,
    print_trial,
    profile_document,
    totals_of,
    trial_document,
)
from node.reducers.limits import (
    PROFILE_RUN_COUNT,
    PROFILE_RUN_COUNT_MAX,
    REPLAY_COUNT,
    REPLAY_COUNT_MAX,
)

if TYPE_CHECKING:
    from node.reducers.message_file import MessageFile
    from node.views.module import ReducerModule

app = typer.Typer(no_args_is_help=True, help="Write reducers: begin, build, test, replay, measure.")

Target = Annotated[Path, typer.Argument(metavar="[REDUCER]", help="Its folder, C file or module.")]
Messages = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[MESSAGES]...",
        help="Files of messages, one JSON document a line; the folder's own if none is named.",
    ),
]
HERE = Path(".")


@app.command("new")
@reports_failures
def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Of the folder to make.")],
    as_json: AsJson = False,
) -> None:
    """Begin a reducer: a small game that works, with messages and tests, to be changed."""
    from node.reducers.folders import make_reducer

    written = [str(path) for path in make_reducer(name)]
    text = "\n".join(
        ["wrote:", *(f"  {path}" for path in written), f"next: tally reducer build {name}"]
    )
    tell({"folder": str(name), "written": written}, text, as_json=as_json)


@app.command("build")
@reports_failures
def build(target: Target = HERE, as_json: AsJson = False) -> None:
    """Compile a reducer in C to WebAssembly, the same bytes on every machine, and check it.

    The compiler is zig, of `pip install 'tallystick[reducers]'`.
    """
    from node.reducer_compiler import ZIG_VERSION
    from node.reducers import zig
    from node.reducers.folders import find_reducer
    from node.views.module import load_module

    reducer = find_reducer(target)
    code = zig.build(reducer.source)
    code_hash = load_module(code).code_hash.hex()
    reducer.module.write_bytes(code)
    document = {
        "source": str(reducer.source),
        "module": str(reducer.module),
        "size_bytes": len(code),
        "code_hash": code_hash,
        "compiler": f"zig {ZIG_VERSION}",
    }
    text = f"{reducer.module}: {len(code):,} bytes, code hash {code_hash}"
    tell(document, text, as_json=as_json)


@app.command("test")
@reports_failures
def run_messages(
    target: Target = HERE,
    messages: Messages = None,
    as_json: AsJson = False,
) -> None:
    """Run messages through a reducer; show the tables, and what is not as it was expected.

    A line is a message, or {"message": ..., "refused": 2}, {"message": ..., "failed": "..."},
    {"table": "name", "rows": [...]}, {"digest": "..."}. For an app channel:
    {"app": {"deposits": ["60", "40"]}} first, then {"from": 0, "payload": ...} and
    {"payouts": ["100", "0"]}. Bytes are {"hex": "00ff"}, amounts {"amount": "1000"}.
    Exit code 3 if something is otherwise.
    """
    from node.reducers import zig
    from node.reducers.folders import find_reducer
    from node.reducers.trials import run_trial

    module, files = _loaded(target, messages)
    trials = [(file, run_trial(module, file)) for file in files]
    finding_count = sum(len(trial.findings) for _, trial in trials)
    is_up_to_date = zig.is_up_to_date(find_reducer(target))
    if as_json:
        found = [trial_document(file, trial) for file, trial in trials]
        document = {"code_hash": module.code_hash.hex(), "is_up_to_date": is_up_to_date}
        print_json({**document, "files": found, "finding_count": finding_count})
    else:
        for file, trial in trials:
            print_trial(file, trial)
        if finding_count == 0:
            say(f"All as expected: {sum(len(trial.results) for _, trial in trials)} messages.")
        if is_up_to_date is False:
            say("The source has changed since this module was built: tally reducer build")
    if finding_count:
        raise typer.Exit(EXIT_FINDINGS)


@app.command("check")
@reports_failures
def check(
    target: Target = HERE,
    messages: Messages = None,
    count: Annotated[
        int, typer.Option(min=1, max=REPLAY_COUNT_MAX, help="How many processes a file.")
    ] = REPLAY_COUNT,
    as_json: AsJson = False,
) -> None:
    """Replay messages in fresh processes: each must come to the same digest and verdicts.

    Views lie in memory and in files, and are opened again after each message. Exit code 3 if two
    processes differ.
    """
    from node.reducers.replays import replay_many

    _loaded(target, messages)
    reducer, names = _found(target, messages)
    found = []
    for name in names:
        replays = list(replay_many(reducer.module, name, count))
        results = sorted({(replay.digest, replay.verdicts) for replay in replays})
        document = {"file": str(name), "replay_count": len(replays), "digest": replays[0].digest}
        found.append({**document, "is_equal": len(results) == 1, "different_count": len(results)})
    is_equal = all(file["is_equal"] for file in found)
    if as_json:
        print_json({"files": found, "is_equal": is_equal})
    else:
        for file in found:
            word = (
                "all equal" if file["is_equal"] else f"{file['different_count']} different results"
            )
            say(f"{file['file']}: {file['replay_count']} replays, {word}: {file['digest']}")
    if not is_equal:
        raise typer.Exit(EXIT_FINDINGS)


@app.command("profile")
@reports_failures
def profile(
    target: Target = HERE,
    messages: Messages = None,
    runs: Annotated[
        int, typer.Option(min=1, max=PROFILE_RUN_COUNT_MAX, help="How often each message is timed.")
    ] = PROFILE_RUN_COUNT,
    as_json: AsJson = False,
) -> None:
    """Show what each message costs: fuel and SQL steps, the same everywhere, and time here."""
    from node.reducers import profiles

    module, files = _loaded(target, messages)
    documents = []
    for file in files:
        found = profiles.profile(module, file, runs)
        rows = [profile_document(measured) for measured in found.messages]
        documents.append({"file": str(file.path), "messages": rows, **totals_of(rows)})
        if not as_json:
            print_profile(f"{file.path}, {runs} runs", rows, found.budget.fuel)
    if as_json:
        print_json({"runs": runs, "fuel_budget": module.budget.fuel, "files": documents})


def _found(target: Path, messages: list[Path] | None) -> tuple[Any, list[Path]]:
    from node.reducers.folders import find_reducer, message_files

    reducer = find_reducer(target)
    return reducer, message_files(reducer, messages or [])


def _loaded(target: Path, messages: list[Path] | None) -> tuple[ReducerModule, list[MessageFile]]:
    """The module, and the files read: what is wrong with them is said before anything runs."""
    from node.reducers.folders import find_reducer, read_module
    from node.reducers.message_file import read_message_file
    from node.views.module import load_module

    module = load_module(read_module(find_reducer(target)))
    return module, [read_message_file(path) for path in _found(target, messages)[1]]
