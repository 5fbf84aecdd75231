"""`tally recovery`: after a restore or a cut log, where each channel is on its way back."""

from typing import Any

from node.cli.failures import reports_failures
from node.cli.node_call import ask
from node.cli.options import HERE, AsJson, At, NodeDir
from node.cli.output import print_fields, print_json, print_table, say, short, titled

COLUMNS = ("channel", "kind", "peers", "recovery", "turn", "voucher", "reason")


@reports_failures
def recovery(at: At = None, directory: NodeDir = HERE, as_json: AsJson = False) -> None:
    """Show what a loss of records left to do, channel by channel."""
    found = ask(directory, "node_recovery", at=at)
    if as_json:
        print_json(found)
        return
    channels, seq = found.pop("channels"), found.pop("at")["seq"]
    print_fields(titled("Recovery", at, seq), found)
    say("")
    nothing = "No channel is concerned."
    print_table("Channels", COLUMNS, [_row(row) for row in channels], nothing)


def _row(row: dict[str, Any]) -> list[object]:
    peers = " ".join(short(peer) for peer in row["peers"])
    words = (row["kind"], peers, row["recovery"].replace("_", "-"))
    return [short(row["channel_id"]), *words, row["turn_num"], row["voucher_total"], row["reason"]]
