"""`tally quote`: whether a path would carry a channel, and what every hop on it says."""

from typing import Annotated, Any

import typer

from node.cli.amounts import brief_of, format_of
from node.cli.failures import reports_failures
from node.cli.node_call import ask
from node.cli.open import asset_address, peer_address
from node.cli.options import HERE, NATIVE, AsJson, NodeDir, amount_in, written_amount
from node.cli.output import print_json, print_table, say, short

COLUMNS = ("hop", "participant", "fee", "answer")
TIMEOUT_S = 5.0


@reports_failures
def quote(
    peer: Annotated[
        str,
        typer.Argument(metavar="PEER", parser=peer_address, help="Who would be paid."),
    ],
    amount: Annotated[
        str,
        typer.Argument(
            metavar="AMOUNT",
            parser=written_amount,
            help="What could be paid at most: 1eth; of a token, its smallest units.",
        ),
    ],
    via: Annotated[
        list[str] | None,
        typer.Option(
            metavar="0xADDRESS",
            parser=peer_address,
            help="An intermediary; can be given many times, in path order.",
        ),
    ] = None,
    asset: Annotated[
        str,
        typer.Option(
            metavar="0xADDRESS", parser=asset_address, help="A token instead of the chain's coin."
        ),
    ] = NATIVE,
    reducer: Annotated[
        str | None,
        typer.Option(metavar="0xHASH", help="For a channel of the application with that reducer."),
    ] = None,
    theirs: Annotated[
        str,
        typer.Option(
            metavar="AMOUNT", parser=written_amount, help="What the other end would put into it."
        ),
    ] = "0",
    contract: Annotated[
        str | None,
        typer.Option(
            metavar="0xADDRESS", parser=peer_address, help="The contract of the application."
        ),
    ] = None,
    timeout_s: Annotated[float, typer.Option(help="How long to wait for answers.")] = TIMEOUT_S,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask a path whether it would carry a channel, and for what."""
    found = ask(
        directory,
        "route_quote",
        path=[*(via or []), peer],
        amount=str(amount_in(asset, amount)),
        asset=asset,
        reducer=reducer,
        app=contract,
        counterparty_amount=str(amount_in(asset, theirs)),
        timeout_ms=int(timeout_s * 1_000),
    )
    if as_json:
        print_json(found)
        return
    rows = [_row(asset, place, hop) for place, hop in enumerate(found["hops"])]
    print_table("Path", COLUMNS, rows, "No path.", right=("fee",))
    verdict = "would carry the channel" if found["ok"] else "would not carry the channel"
    say(f"The path {verdict}; fees: {format_of(asset, int(found['total_fee']))}.")


def _row(asset: str, place: int, hop: dict[str, Any]) -> list[object]:
    says = " ".join(text for text in (hop["error_code"], hop["reason"]) if text) or "ok"
    return [place, short(hop["participant"]), brief_of(asset, int(hop["fee"])), says]
