"""`tally pay`: one payment in an open channel."""

from typing import Annotated

import typer

from node.cli.amounts import format_amount, parse_amount
from node.cli.failures import reports_failures
from node.cli.node_call import ask, channel_id_of
from node.cli.options import HERE, AsJson, NodeDir, RequestId
from node.cli.output import print_json, say


@reports_failures
def pay(
    channel: Annotated[str, typer.Argument(help="The channel, by its id or its beginning.")],
    amount: Annotated[int, typer.Argument(parser=parse_amount, help="How much: 3gwei.")],
    memo: Annotated[str, typer.Option(help="A note for the payee, kept in both logs.")] = "",
    receipt: Annotated[bool, typer.Option(help="Wait for the payee's signed receipt.")] = False,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Pay the channel's payee."""
    answer = ask(
        directory,
        "payment_send",
        channel_id=channel_id_of(directory, channel),
        amount=str(amount),
        memo=memo,
        request_id=request_id,
        until="receipt" if receipt else "durable",
    )
    if as_json:
        print_json(answer)
    else:
        state = "receipted by the payee" if answer["receipted"] else "on its way"
        total = format_amount(int(answer["total"]))
        say(f"Paid {format_amount(amount)}, {state}; {total} in this channel so far.")
