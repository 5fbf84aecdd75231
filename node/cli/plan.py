"""The steps that leaving a channel takes, as people read them: by a node, or by a kit."""

from typing import Any

from node.amounts import format_of
from node.cli.options import NATIVE
from node.cli.output import say


def say_plan(plan: dict[str, Any]) -> None:
    """Show a plan, given as `channel_exit_plan` answers it."""
    for number, step in enumerate(plan["steps"], start=1):
        name = step["channel_id"][:10]
        say(f"{number}. {step['step']} {name}: {_when(step)}, about {step['gas']:,} gas")
    say(f"About {plan['gas']:,} gas in all. Nothing was done.")
    for found in plan["worth"] or ():
        amount = format_of(found["asset"], int(found["amount"]))
        of_token = "" if found["asset"] == NATIVE else f" of {found['asset']}"
        say(f"At worst you get {amount}{of_token}, less gas.")


def _when(step: dict[str, Any]) -> str:
    if step["after_s"] == 0:
        return "now"
    blocks = "" if step["blocks"] is None else f" ({step['blocks']} blocks)"
    return f"{step['not_before']}{blocks}"
