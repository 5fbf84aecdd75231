"""`tally channels`: what is open with whom, and where the money is."""

from typing import Annotated, Any

import typer

from node.cli.amounts import brief_of, format_of
from node.cli.failures import reports_failures
from node.cli.node_call import ask, channel_id_of
from node.cli.options import HERE, AsJson, At, NodeDir
from node.cli.output import print_fields, print_json, print_table, short, titled

COLUMNS = ("channel", "kind", "status", "role", "peer", "paid", "left")
"""The deposit is what was paid and what is left; of a ledger, `left` is ours and free."""
AMOUNTS = ("deposit", "our_deposit", "paid", "receipted", "remaining")


@reports_failures
def channels(
    channel: Annotated[
        str | None, typer.Argument(help="One channel, by its id or its beginning.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Only those, for example: open.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only those: direct, ledger or virtual.")] = None,
    at: At = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """List the channels, or show one."""
    if channel is not None:
        channel_id = channel_id_of(directory, channel, at)
        view = ask(directory, "channel_get", channel_id=channel_id, at=at)
        if as_json:
            print_json(view)
        else:
            print_channel(view, at)
        return
    found = ask(directory, "channel_list", status=status, kind=kind, at=at)
    if as_json:
        print_json(found)
    else:
        rows = [_row(view) for view in found["channels"]]
        nothing = "No channels. Open one with: tally open PEER 1eth"
        title = titled("Channels", at, found["at"]["seq"])
        print_table(title, COLUMNS, rows, nothing, right=("paid", "left"))


def print_channel(view: dict[str, Any], at: str | None = None) -> None:
    """All that `channel_get` says, amounts as a person writes them."""
    asset, holdings = view["asset"], view["holdings"]
    amounts = {name: format_of(asset, int(view[name])) for name in AMOUNTS}
    held = {name: format_of(asset, int(text)) for name, text in holdings.items()}
    title = titled("Channel", at, view["at"]["seq"])
    print_fields(title, {**view, **amounts, "holdings": held})


def _row(view: dict[str, Any]) -> list[object]:
    return [
        short(view["channel_id"]),
        view["kind"],
        view["status"],
        view["role"],
        short(view["counterparty"]),
        *(brief_of(view["asset"], int(view[name])) for name in ("paid", "remaining")),
    ]
