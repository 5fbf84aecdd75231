"""`tally diff`: what changed between two moments, in all that is ours and channel by channel."""

from typing import Annotated, Any

import typer

from node.cli.amounts import brief_of
from node.cli.failures import reports_failures
from node.cli.node_call import ask, channel_id_of
from node.cli.options import HERE, AsJson, NodeDir
from node.cli.output import print_json, print_table, say, short

BALANCE_COLUMNS = ("asset", "ours", "before", "after", "change")
PARTS = {
    "on_chain": "on chain",
    "channels": "in channels",
    "ledgers": "in ledgers",
    "guaranteed": "guaranteed",
    "total": "in all",
    "withdrawn": "withdrawn",
}
"""The node's name of each part of a balance, and ours."""
CHANNEL_COLUMNS = ("channel", "kind", "ours", "change", "theirs", "what happened")
GUARANTEE_COLUMNS = ("ledger", "guarantee", "for channel", "amount")
OBJECTIVE_COLUMNS = ("objective", "type", "channel", "what happened")
RECORD_COLUMNS = ("records", "event")


@reports_failures
def diff(
    from_: Annotated[
        str, typer.Argument(metavar="FROM", help="The earlier moment, given as for --at.")
    ],
    to: Annotated[
        str | None, typer.Argument(metavar="[TO]", help="The later moment; now, if left out.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    after: Annotated[
        str | None, typer.Option(help="Go on behind this channel, where a list was cut.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many channels.")] = 100,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two moments: balances, channels, objectives."""
    channel_id = None if channel is None else channel_id_of(directory, channel, to, from_)
    behind = None if after is None else channel_id_of(directory, after, to, from_)
    asked: dict[str, Any] = {
        "from": from_,
        "to": to,
        "channel_id": channel_id,
        "after": behind,
        "limit": limit,
    }
    found = ask(directory, "log_diff", **asked)
    if as_json:
        print_json(found)
        return
    say(f"From {_moment(found['from'])}")
    say(f"to   {_moment(found['to'])}")
    _print_balances(found["balances"])
    _print_channels(found["channels"])
    if found["next_after"] is not None:
        say(f"There are more: --after {short(found['next_after'])}")
    _print_records(found["records"])


def _moment(moment: dict[str, Any]) -> str:
    from node.moments import utc_text

    block_num = moment["processed_block_num"]
    block = "" if block_num is None else f", block {block_num} processed"
    return f"record {moment['seq']}, {utc_text(moment['time_ms'])}{block}"


def _print_balances(balances: list[dict[str, Any]]) -> None:
    rows = [
        [
            short(changed["asset"]),
            PARTS[part],
            brief_of(changed["asset"], int(changed["before"][part])),
            brief_of(changed["asset"], int(changed["after"][part])),
            _signed(changed["asset"], changed["difference"][part]),
        ]
        for changed in balances
        for part in PARTS
        if changed["before"][part] != "0" or changed["after"][part] != "0"
    ]
    say("")
    print_table("Ours", BALANCE_COLUMNS, rows, "Nothing of ours.", right=BALANCE_COLUMNS[2:])


def _signed(asset: str, text: str) -> str:
    amount = int(text)
    return "-" if amount == 0 else ("+" if amount > 0 else "") + brief_of(asset, amount)


def _print_channels(channels: list[dict[str, Any]]) -> None:
    say("")
    rows = [_channel(changed) for changed in channels]
    right = CHANNEL_COLUMNS[2:5]
    print_table("Channels", CHANNEL_COLUMNS, rows, "No channel changed.", right=right)
    guarantees = [
        [short(changed["channel_id"]), what, short(of["channel_id"]), _brief(changed, of["amount"])]
        for changed in channels
        for what in ("added", "removed")
        for of in changed[f"guarantees_{what}"]
    ]
    if guarantees:
        say("")
        print_table("Guarantees", GUARANTEE_COLUMNS, guarantees, "", right=("amount",))
    objectives = [
        [
            short(of["objective_id"]),
            of["objective_type"],
            short(changed["channel_id"]),
            f"{of['change']}: {of['reason']}" if of["reason"] else of["change"],
        ]
        for changed in channels
        for of in changed["objectives"]
    ]
    if objectives:
        say("")
        print_table("Objectives", OBJECTIVE_COLUMNS, objectives, "")


def _channel(changed: dict[str, Any]) -> list[object]:
    before, after = changed["before"] or {}, changed["after"] or {}
    difference = int(after.get("ours", 0)) - int(before.get("ours", 0))
    return [
        short(changed["channel_id"]),
        changed["kind"],
        _brief(changed, after.get("ours", "0")),
        _signed(changed["asset"], str(difference)),
        _brief(changed, after.get("theirs", "0")),
        _story(before, after),
    ]


def _story(before: dict[str, Any], after: dict[str, Any]) -> str:
    """From which status to which, and how many payments there were."""
    first, last = before.get("status", "new"), after.get("status", "pruned")
    path = last if first == last else f"{first} > {last}"
    payment_count = after.get("payment_count", 0) - before.get("payment_count", 0)
    if payment_count <= 0:
        return path
    return f"{path}, {payment_count} payment{'' if payment_count == 1 else 's'}"


def _brief(changed: dict[str, Any], text: str) -> str:
    return brief_of(changed["asset"], int(text))


def _print_records(records: list[dict[str, Any]] | None) -> None:
    say("")
    if records is None:
        say("More than a million records: they were not counted.")
        return
    rows = [[record["count"], record["name"]] for record in records]
    print_table("Records", RECORD_COLUMNS, rows, "No records in between.")
