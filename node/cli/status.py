"""`tally status`: who the node is and how each of its rooms is doing."""

from typing import Any

from node.cli.failures import reports_failures
from node.cli.node_call import ask
from node.cli.options import HERE, AsJson, At, NodeDir
from node.cli.output import print_fields, print_json, print_table, say, titled

PEER_COLUMNS = ("address", "endpoint", "up", "queued")
"""`queued` counts the messages that the peer has not acknowledged."""


@reports_failures
def status(at: At = None, directory: NodeDir = HERE, as_json: AsJson = False) -> None:
    """Show who the node is and how it is doing."""
    found = ask(directory, "node_status", at=at)
    if as_json:
        print_json(found)
        return
    peers, seq = found.pop("peers"), found.pop("at")["seq"]
    alarms = found.pop("alarms")
    print_fields(titled("Node", at, seq), found)
    say("")
    for alarm in alarms:
        say_alarm(alarm)
    rows = [_row(peer) for peer in peers]
    print_table("Peers", PEER_COLUMNS, rows, "No peers: add some under [p2p.peers].")


def say_alarm(alarm: dict[str, Any]) -> None:
    """What is wrong, until when, and what to do."""
    channel = f" of channel {alarm['channel_id']}" if alarm["channel_id"] else ""
    blocks = "" if alarm["blocks_left"] is None else f", {alarm['blocks_left']} blocks"
    deadline = f" until {alarm['deadline']}{blocks}" if alarm["deadline"] else ""
    say(f"ALARM {alarm['name']}{channel}{deadline}: {alarm['what']}.")
    say(f"  Next: {alarm['next_step']}.")
    say("")


def _row(peer: dict[str, Any]) -> list[object]:
    queued_count = peer["sent"] - peer["acknowledged"]
    return [peer["address"], peer["endpoint"], peer["connected"], queued_count]
