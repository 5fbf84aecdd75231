"""`tally explain`: how something came to be as it is, step by step, and what comes next."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from node.amounts import format_of
from node.cli.failures import CommandFailed, reports_failures
from node.cli.node_call import ID_LENGTH, ask, channel_id_of, objective_id_of
from node.cli.options import HERE, AsJson, At, NodeDir
from node.cli.output import print_json, print_table, say
from node.explain.words import harmless, moment, short

COLUMNS = ("record", "because", "time (UTC)", "what")
STEP_COUNT_MAX = 10_000
"""Steps of one story; a longer one says where it goes on."""
_UNKNOWN = {
    "channel": "UNKNOWN_CHANNEL",
    "objective": "UNKNOWN_OBJECTIVE",
    "payment": "UNKNOWN_PAYMENT",
}
"""What the node says of an id that is none of these."""
_ORIGINS = {
    "command": "command",
    "message": "peer",
    "chain": "chain",
    "timer": "timer",
    "node": "node",
}


@reports_failures
def explain(
    identifier: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A channel, an objective or a payment, by its id or its beginning."
        ),
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="With the book-keeping between the steps.")
    ] = False,
    from_seq: Annotated[int, typer.Option("--from", min=0, help="First record.")] = 0,
    at: At = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Tell how a channel, an objective or a payment came to be as it is, and what comes next."""
    kind, story = find_story(directory, identifier, from_seq, at)
    if as_json:
        print_json({"about": kind, **story})
        return
    for line in _heading(kind, story):
        say(line)
    say("")
    steps = [step for step in story["steps"] if everything or not step["is_detail"]]
    print_table("", COLUMNS, [_row(step) for step in steps], "No records.", right=("because",))
    if story.get("next_seq") is not None:
        say(f"The story goes on: tally explain {identifier} --from {story['next_seq']}")


def find_story(
    directory: Path, identifier: str, from_seq: int = 0, at: str | None = None
) -> tuple[str, dict[str, Any]]:
    """What the id is of, and its story; `CommandFailed` if it is of nothing."""
    whole = len(identifier) == ID_LENGTH
    if not whole:
        return _find_by_beginning(directory, identifier, from_seq, at)
    for kind in ("channel", "objective"):
        found = _story(directory, kind, identifier, from_seq, at)
        if found is not None:
            return kind, found
    found = _ask_known(directory, "payment", payment_id=identifier, at=at)
    if found is None:
        raise CommandFailed(
            f"nothing in this log has the id {short(identifier)}",
            "List what there is with: tally channels, tally objectives, tally events",
            "NOTHING_OF_THAT_ID",
        )
    return "payment", found


def _find_by_beginning(
    directory: Path, beginning: str, from_seq: int, at: str | None
) -> tuple[str, dict[str, Any]]:
    try:
        kind, identifier = "channel", channel_id_of(directory, beginning, at)
    except CommandFailed:
        kind, identifier = "objective", objective_id_of(directory, beginning, at)
    story = _story(directory, kind, identifier, from_seq, at)
    assert story is not None, "it was listed a moment ago"
    return kind, story


def channel_story(
    directory: Path, channel_id: str, from_at: str | None = None, at: str | None = None
) -> dict[str, Any]:
    """All pages of a channel's story as one, from one moment to another; the node's refusal if
    there is no such channel."""
    return _pages(directory, "channel", channel_id, 0, at, from_at)


def _story(
    directory: Path, kind: str, identifier: str, from_seq: int, at: str | None = None
) -> dict[str, Any] | None:
    from node.rpc.call import RpcError

    try:
        return _pages(directory, kind, identifier, from_seq, at)
    except RpcError as error:
        if error.name == _UNKNOWN[kind]:
            return None
        raise


def _pages(
    directory: Path,
    kind: str,
    identifier: str,
    from_seq: int,
    at: str | None = None,
    from_at: str | None = None,
) -> dict[str, Any]:
    names: dict[str, Any] = {f"{kind}_id": identifier, "at": at}
    start = {"from_seq": from_seq} if from_at is None else {"from_at": from_at}
    story: dict[str, Any] = ask(directory, f"{kind}_explain", **start, **names)
    pages = [story["steps"]]
    while story["next_seq"] is not None and sum(map(len, pages)) < STEP_COUNT_MAX:
        story = ask(directory, f"{kind}_explain", from_seq=story["next_seq"], **names)
        pages.append(story["steps"])
    return story if len(pages) == 1 else {**story, "steps": _joined(story, pages)}


def _joined(story: dict[str, Any], pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The steps of all pages, with runs that pages cut in one piece."""
    import msgspec

    from node.explain.casting import cast_of_story
    from node.explain.runs import joined
    from node.explain.story import Step

    steps = msgspec.convert(list(chain.from_iterable(pages)), list[Step])
    whole = joined(steps, cast_of_story(story))
    return [msgspec.to_builtins(step) for step in whole]


def _ask_known(directory: Path, kind: str, **names: Any) -> dict[str, Any] | None:
    from node.rpc.call import RpcError

    try:
        found: dict[str, Any] = ask(directory, f"{kind}_explain", **names)
        return found
    except RpcError as error:
        if error.name == _UNKNOWN[kind]:
            return None
        raise


# --- for a person ---


def _heading(kind: str, story: dict[str, Any]) -> list[str]:
    standing = story["standing"]
    lines = [_title(kind, story), standing["what"]]
    for failure in standing["failures"]:
        name = f"{failure['name']}: " if failure["name"] else ""
        lines.append(f"Failed: {name}{failure['reason']}")
        if failure["next_step"]:
            lines.append(f"  what to do: {failure['next_step']}")
    lines += [f"You can: {step}" for step in standing["next_steps"]]
    return lines


def _title(kind: str, story: dict[str, Any]) -> str:
    if kind == "payment":
        paid = "of " + format_of(story["asset"], int(story["amount"])) if story["amount"] else ""
        memo = f', "{harmless(story["memo"])}"' if story["memo"] else ""
        where = f"in channel {short(story['channel_id'])}"
        return f"Payment {short(story['payment_id'])} {paid}{memo}, {story['direction']} {where}"
    of_objective = story["objective_id"]
    title = f"Objective {short(of_objective)} of channel" if of_objective else "Channel"
    channel = "none yet" if story["channel_id"] is None else short(story["channel_id"])
    deposits = " and ".join(
        format_of(story["asset"], int(each)) for each in story["deposits"] if int(each)
    )
    ours = story["our_address"]
    names = ["us" if address == ours else short(address) for address in story["participants"]]
    parties = " and ".join(names) if len(names) < 3 else " > ".join(names)
    money = f", {deposits}" if deposits else ""
    return f"{title} {channel}: {story['kind']}{money}, between {parties or 'unknown'}"


def _row(step: dict[str, Any]) -> list[object]:
    seqs = str(step["seq"])
    if step["record_count"] > 1:
        seqs = f"{step['seq']}-{step['last_seq']}"
    because = step["because"]
    why = _ORIGINS.get(step["began_by"], "-") if because is None else str(because)
    links = "".join(f" [{link['seq']}: {link['what']}]" for link in _shown_links(step))
    return [seqs, why, moment(step["time_ms"])[5:], step["what"] + links]


def _shown_links(step: dict[str, Any]) -> list[dict[str, Any]]:
    return [] if step["record_count"] > 1 else list(step["links"])
