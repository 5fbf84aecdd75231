"""`tally ledger`: ledgers, over which virtual channels run without a chain transaction."""

from typing import Annotated, Any

import typer

from node.cli.amounts import brief_of, format_of
from node.cli.failures import reports_failures
from node.cli.node_call import ask, ask_to_spend, channel_id_of, new_request_id
from node.cli.open import (
    WAIT_TIMEOUT_S,
    Asset,
    ChallengeDuration,
    Timeout,
    peer_address,
    propose,
)
from node.cli.options import (
    HERE,
    NATIVE,
    AmountCommand,
    AsJson,
    At,
    NodeDir,
    RequestId,
    amount_in,
    written_amount,
)
from node.cli.output import print_json, print_table, say, short, titled

COLUMNS = ("ledger", "status", "peer", "ours", "theirs", "carried", "count")
"""`carried` is what virtual channels hold, `count` how many there are."""


@reports_failures
def open_ledger(
    peer: Annotated[
        str,
        typer.Argument(
            metavar="PEER", parser=peer_address, help="The peer's address, from our configuration."
        ),
    ],
    amount: Annotated[
        str,
        typer.Argument(
            metavar="AMOUNT",
            parser=written_amount,
            help="Our deposit: 1eth; of a token, its smallest units.",
        ),
    ],
    theirs: Annotated[
        str,
        typer.Option(metavar="AMOUNT", parser=written_amount, help="The peer's deposit."),
    ] = "0",
    asset: Asset = NATIVE,
    challenge_duration_s: ChallengeDuration = None,
    wait: Annotated[bool, typer.Option(help="Wait until the ledger is open.")] = True,
    timeout_s: Timeout = WAIT_TIMEOUT_S,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Open a ledger with a peer, in which both may deposit; we lead it."""
    ours, others = amount_in(asset, amount), amount_in(asset, theirs)
    answer = propose(
        directory,
        "ledger_open",
        wait=wait,
        timeout_s=timeout_s,
        quiet=as_json,
        counterparty=peer,
        amount=str(ours),
        counterparty_amount=str(others),
        asset=asset,
        challenge_duration_s=challenge_duration_s,
        request_id=request_id,
    )
    if as_json:
        print_json(answer)
    else:
        done = "is open" if wait else "was proposed"
        held = f"{format_of(asset, ours)} of ours and {format_of(asset, others)} of theirs"
        say(f"Ledger {answer['channel_id']} {done}, with {held}.")


@reports_failures
def pay_ledger(
    ledger: Annotated[
        str, typer.Argument(metavar="LEDGER", help="The ledger, by its id or its beginning.")
    ],
    amount: Annotated[
        str,
        typer.Argument(
            metavar="AMOUNT",
            parser=written_amount,
            help="How much: 3gwei; of a token, its smallest units.",
        ),
    ],
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Give the other party of a ledger some of our balance in it."""
    channel_id = channel_id_of(directory, ledger)
    asset = ask(directory, "channel_get", channel_id=channel_id)["asset"]
    spent = amount_in(asset, amount)
    answer = ask_to_spend(
        directory,
        "ledger_pay",
        channel_id=channel_id,
        amount=str(spent),
        request_id=request_id or new_request_id(),
    )
    if as_json:
        print_json(answer)
    else:
        say(
            f"Paid {format_of(asset, spent)}; it counts when the peer has signed: tally ledger list"
        )


@reports_failures
def list_ledgers(
    peer: Annotated[
        str | None,
        typer.Argument(metavar="[PEER]", parser=peer_address, help="Only ledgers with this peer."),
    ] = None,
    at: At = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """List the ledgers: what is ours, what is theirs, and what virtual channels hold."""
    found = ask(directory, "ledger_list", counterparty=peer, at=at)
    if as_json:
        print_json(found)
        return
    rows = [_row(view) for view in found["channels"]]
    nothing = "No ledgers. Open one with: tally ledger open PEER 1eth"
    title = titled("Ledgers", at, found["at"]["seq"])
    print_table(title, COLUMNS, rows, nothing, right=COLUMNS[3:])


def _row(view: dict[str, Any]) -> list[object]:
    ledger = view["ledger"] or {}
    names = ("balance", "counterparty_balance", "guaranteed")
    return [
        short(view["channel_id"]),
        view["status"],
        short(view["counterparty"]),
        *(brief_of(view["asset"], int(ledger.get(name, 0))) for name in names),
        ledger.get("guarantee_count", 0),
    ]


app = typer.Typer(no_args_is_help=True, help="Ledgers, over which virtual channels run.")
app.command("open", cls=AmountCommand)(open_ledger)
app.command("pay", cls=AmountCommand)(pay_ledger)
app.command("list")(list_ledgers)
