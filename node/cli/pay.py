"""`tally pay`: one payment in an open channel, or a list of them.

The payment is recorded first, under a request id, and only then its receipt is waited for: whatever
happens meanwhile, whoever paid is told so, and under which name it can be asked about again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.amounts import format_of
from node.cli.batch_file import Line, read_batch
from node.cli.failures import EXIT_FAILED, CommandFailed, report, reports_failures
from node.cli.node_call import ask, ask_to_spend, channel_id_of, new_request_id
from node.cli.options import HERE, AsJson, NodeDir, RequestId, amount_in, written_amount
from node.cli.output import print_json, say
from node.cli.wait import wait_for_answer

RECEIPT_TIMEOUT_S = 30.0
"""A peer that is there answers within milliseconds."""


@reports_failures
def pay(
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="The channel, by its id or its beginning.")
    ],
    amount: Annotated[
        str | None,
        typer.Argument(
            metavar="[AMOUNT]",
            parser=written_amount,
            help="How much: 3gwei; of a token, its smallest units.",
        ),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Instead of AMOUNT, many payments at once, all or none: an amount and a memo a "
            "line.",
        ),
    ] = None,
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
    if (amount is None) == (batch is None):
        raise typer.BadParameter("give an AMOUNT, or a list of payments with --batch FILE")
    if batch is not None and memo:
        raise typer.BadParameter("in a batch each payment has its memo in the file")
    lines = [] if batch is None else read_batch(batch)
    channel_id = channel_id_of(directory, channel)
    asset = ask(directory, "channel_get", channel_id=channel_id)["asset"]
    name = request_id or new_request_id()
    payment = (
        _single(channel_id, asset, amount, memo, name)
        if amount is not None
        else _batch(channel_id, asset, lines, name)
    )
    answer = ask_to_spend(directory, payment.method, until="durable", **payment.params)
    failure = None
    if receipt and not answer["receipted"]:
        answer, failure = _wait_for_receipt(directory, payment, answer, timeout_s)
    if as_json:
        told = {**answer, "request_id": name}
        print_json(told if failure is None else {**told, **failure.document()})
    elif failure is not None:
        report(failure, as_json=False)
    else:
        state = "receipted by the payee" if answer["receipted"] else "on its way"
        total = format_of(asset, int(answer["total"]))
        say(f"Paid {payment.what}, {state}; {total} in this channel so far.")
    if failure is not None:
        raise typer.Exit(EXIT_FAILED)


@dataclass(frozen=True)
class _Payment:
    """One call that spends, and how a person is told of it."""

    method: str
    params: dict[str, Any]
    what: str


def _single(channel_id: str, asset: str, amount: str, memo: str, request_id: str) -> _Payment:
    spent = amount_in(asset, amount)
    params = {
        "channel_id": channel_id,
        "amount": str(spent),
        "memo": memo,
        "request_id": request_id,
    }
    return _Payment("payment_send", params, format_of(asset, spent))


def _batch(channel_id: str, asset: str, lines: list[Line], request_id: str) -> _Payment:
    payments, spent = [], 0
    for line in lines:
        try:
            amount = amount_in(asset, line.amount)
        except typer.BadParameter as error:
            raise typer.BadParameter(f"line {line.number}: {error.message}") from error
        spent += amount
        payments.append({"amount": str(amount), "memo": line.memo})
    params = {"channel_id": channel_id, "payments": payments, "request_id": request_id}
    return _Payment("payment_batch", params, f"{format_of(asset, spent)} in {len(lines)} payments")


def _wait_for_receipt(
    directory: Path, payment: _Payment, answer: dict[str, Any], timeout_s: float
) -> tuple[dict[str, Any], CommandFailed | None]:
    """The newest answer about a recorded payment, and why it still has no receipt."""
    order = payment.method, payment.params
    answer, missing = wait_for_answer(
        directory, order, "receipt", "receipted", answer=answer, timeout_s=timeout_s
    )
    if not missing or isinstance(missing, CommandFailed):
        return answer, missing or None
    return answer, _no_receipt_yet(payment, answer, missing)


def _no_receipt_yet(payment: _Payment, answer: dict[str, Any], why: str) -> CommandFailed:
    known = [name for name in ("seq", "payment_id") if name in answer]
    values: dict[str, str] = {name: str(answer[name]) for name in known}
    request_id = str(payment.params["request_id"])
    return CommandFailed(
        f"the payment of {payment.what} is recorded, no receipt yet: {why}",
        "Nothing: it will be delivered when the peer is back. "
        f"Do not repeat it without the same --request-id {request_id}",
        "NO_RECEIPT_YET",
        {**values, "request_id": request_id},
    )
