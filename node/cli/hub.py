"""`tally hub`: what this node takes as a hub, how much room is taken, and what it earned."""

from typing import Any

from node.cli.amounts import brief_of
from node.cli.failures import reports_failures
from node.cli.node_call import ask
from node.cli.options import HERE, AsJson, At, NodeDir
from node.cli.output import print_fields, print_json, print_table, say, short, titled

ASSET_COLUMNS = ("asset", "carried", "capacity", "earned", "base", "ppm", "minimum")
PEER_COLUMNS = ("peer", "asset", "exposure", "limit")


@reports_failures
def hub(at: At = None, directory: NodeDir = HERE, as_json: AsJson = False) -> None:
    """Show a hub's terms, the room that channels take, and the fees earned."""
    found = ask(directory, "hub_status", at=at)
    if as_json:
        print_json(found)
        return
    assets, peers, seq = found.pop("assets"), found.pop("peers"), found.pop("at")["seq"]
    print_fields(titled("Hub", at, seq), found)
    say("")
    right = ASSET_COLUMNS[1:]
    print_table("Assets", ASSET_COLUMNS, [_asset(row) for row in assets], "None.", right=right)
    say("")
    rows = [_peer(row) for row in peers]
    nothing = "No guarantees with any peer."
    print_table("Guarantees", PEER_COLUMNS, rows, nothing, right=PEER_COLUMNS[2:])


def _asset(row: dict[str, Any]) -> list[object]:
    asset = row["asset"]
    carried, capacity, earned, base, minimum = (
        _amount(asset, row[name])
        for name in ("carried", "capacity", "fees_earned", "fee_base", "fee_minimum")
    )
    return [short(asset), carried, capacity, earned, base, row["fee_ppm"], minimum]


def _peer(row: dict[str, Any]) -> list[object]:
    asset = row["asset"]
    amounts = (_amount(asset, row[name]) for name in ("exposure", "exposure_max"))
    return [short(row["peer"]), short(asset), *amounts]


def _amount(asset: str, text: str | None) -> str:
    return "none" if text is None else brief_of(asset, int(text))
