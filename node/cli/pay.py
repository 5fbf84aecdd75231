"""`tally pay`: one payment in an open channel.

The payment is recorded first, under a request id, and only then its receipt is waited for: whatever
happens meanwhile, whoever paid is told so, and under which name it can be asked about again.
"""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.amounts import format_of
from node.cli.failures import EXIT_FAILED, CommandFailed, as_failure, report, reports_failures
from node.cli.node_call import ANSWER_TIMED_OUT, ask, ask_to_spend, channel_id_of, new_request_id
from node.cli.options import HERE, AsJson, NodeDir, RequestId, amount_in, written_amount
from node.cli.output import print_json, say

RECEIPT_TIMEOUT_S = 30.0
"""A peer that is there answers within milliseconds."""


@reports_failures
def pay(
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="The channel, by its id or its beginning.")
    ],
    amount: Annotated[
        str,
        typer.Argument(
            metavar="AMOUNT",
            parser=written_amount,
            help="How much: 3gwei; of a token, its smallest units.",
        ),
    ],
    memo: Annotated[str, typer.Option(help="A note for the payee, kept in both logs.")] = "",
    receipt: Annotated[bool, typer.Option(help="Wait for the payee's signed receipt.")] = False,
    timeout_s: Annotated[
        float, typer.Option(min=0, help="How long to wait for the receipt.")
    ] = RECEIPT_TIMEOUT_S,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Pay the channel's payee."""
    channel_id = channel_id_of(directory, channel)
    asset = ask(directory, "channel_get", channel_id=channel_id)["asset"]
    spent = amount_in(asset, amount)
    payment = {
        "channel_id": channel_id,
        "amount": str(spent),
        "memo": memo,
        "request_id": request_id or new_request_id(),
    }
    answer = ask_to_spend(directory, "payment_send", until="durable", **payment)
    failure = None
    if receipt and not answer["receipted"]:
        answer, failure = _wait_for_receipt(
            directory, payment, format_of(asset, spent), answer, timeout_s
        )
    if as_json:
        told = {**answer, "request_id": payment["request_id"]}
        print_json(told if failure is None else {**told, **failure.document()})
    elif failure is not None:
        report(failure, as_json=False)
    else:
        state = "receipted by the payee" if answer["receipted"] else "on its way"
        total = format_of(asset, int(answer["total"]))
        say(f"Paid {format_of(asset, spent)}, {state}; {total} in this channel so far.")
    if failure is not None:
        raise typer.Exit(EXIT_FAILED)


def _wait_for_receipt(
    directory: Path, payment: dict[str, str], amount: str, answer: dict[str, Any], timeout_s: float
) -> tuple[dict[str, Any], CommandFailed | None]:
    """The newest answer about a recorded payment, and why it still has no receipt."""
    from node.rpc.call import RpcError, RpcUnreachable

    give_up_at = time.monotonic() + timeout_s
    reason = f"the peer did not answer for {timeout_s:g} s"
    while (left_s := give_up_at - time.monotonic()) > 0:
        try:
            answer = ask(directory, "payment_send", until="receipt", timeout_s=left_s, **payment)
        except RpcError as error:
            if error.name != ANSWER_TIMED_OUT:
                return answer, as_failure(error)
        except RpcUnreachable as error:
            if not isinstance(error.__cause__, TimeoutError):
                reason = str(error)
                break
        else:
            if answer["receipted"]:
                return answer, None
            # It is answered without one when none will come, or when too many wait already.
            reason = "the node does not wait for one: see tally channels"
            break
    return answer, _no_receipt_yet(payment, amount, answer, reason)


def _no_receipt_yet(
    payment: dict[str, str], amount: str, answer: dict[str, Any], why: str
) -> CommandFailed:
    values = {name: str(answer[name]) for name in ("seq", "payment_id")}
    return CommandFailed(
        f"the payment of {amount} is recorded, no receipt yet: {why}",
        "Nothing: it will be delivered when the peer is back. "
        f"Do not repeat it without the same --request-id {payment['request_id']}",
        "NO_RECEIPT_YET",
        {**values, "request_id": payment["request_id"]},
    )
