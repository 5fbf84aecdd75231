"""`tally open`: a payment channel to a peer, with our deposit in it or carried by ledgers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.amounts import format_of
from node.cli.failures import reports_failures
from node.cli.node_call import ask_to_spend, new_request_id
from node.cli.options import (
    HERE,
    NATIVE,
    AsJson,
    NodeDir,
    RequestId,
    amount_in,
    written_amount,
)
from node.cli.output import print_json, say
from node.cli.wait import naming_the_request, wait_for_objective

WAIT_TIMEOUT_S = 120.0
"""A peer's owner may have to approve; a public chain needs its confirmations."""


def peer_address(text: str) -> str:
    """The address as it was written, once it is one; `typer.BadParameter` else."""
    return _address(text, "PEER is 0x and 40 hex digits, as under [p2p.peers] in config.toml")


def asset_address(text: str) -> str:
    """Likewise, of a token."""
    return _address(text, "a token is 0x and 40 hex digits, as in assets under [policy]")


def _address(text: str, form: str) -> str:
    from protocols.errors import ProtocolError
    from protocols.types import parse_address

    try:
        parse_address(text)
    except ProtocolError as error:
        raise typer.BadParameter(f"{text[:80]!r} is no address ({error}): {form}") from error
    return text


Asset = Annotated[
    str,
    typer.Option(
        metavar="0xADDRESS", parser=asset_address, help="A token instead of the chain's coin."
    ),
]
ChallengeDuration = Annotated[
    int | None, typer.Option(help="Seconds in which a challenge can be answered.")
]
Timeout = Annotated[float, typer.Option(help="How long to wait.")]
Via = Annotated[
    list[str] | None,
    typer.Option(
        metavar="0xADDRESS",
        parser=peer_address,
        help="Over ledgers: an intermediary; can be given many times, in path order.",
    ),
]
OverLedger = Annotated[
    bool, typer.Option("--over-ledger", help="Over our own ledger with the peer.")
]
FeeMax = Annotated[
    str,
    typer.Option(metavar="AMOUNT", parser=written_amount, help="What all intermediaries may take."),
]


def path_terms(
    peer: str, via: list[str] | None, asset: str, fee_max: str, *, over_ledger: bool
) -> dict[str, Any]:
    """What a channel's opening says of the ledgers that are to carry it."""
    return {
        "path": [*(via or []), peer] if via or over_ledger else None,
        "fee_max": str(amount_in(asset, fee_max)) if via else None,
    }


@reports_failures
def open_channel(
    peer: Annotated[
        str,
        typer.Argument(metavar="PEER", parser=peer_address, help="Who will be paid."),
    ],
    amount: Annotated[
        str,
        typer.Argument(
            metavar="AMOUNT",
            parser=written_amount,
            help="What can be paid at most: 1eth; of a token, its smallest units.",
        ),
    ],
    via: Via = None,
    over_ledger: OverLedger = False,
    fee_max: FeeMax = "0",
    asset: Asset = NATIVE,
    challenge_duration_s: ChallengeDuration = None,
    wait: Annotated[bool, typer.Option(help="Wait until the channel is open.")] = True,
    timeout_s: Timeout = WAIT_TIMEOUT_S,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Open a one-way payment channel to a peer: with a deposit on chain, or over ledgers."""
    limit = amount_in(asset, amount)
    answer = propose(
        directory,
        "channel_open",
        wait=wait,
        timeout_s=timeout_s,
        quiet=as_json,
        counterparty=peer,
        amount=str(limit),
        asset=asset,
        challenge_duration_s=challenge_duration_s,
        **path_terms(peer, via, asset, fee_max, over_ledger=over_ledger),
        request_id=request_id,
    )
    if as_json:
        print_json(answer)
    else:
        done = "is open" if wait else "was proposed"
        say(f"Channel {answer['channel_id']} {done}, with {format_of(asset, limit)} to pay.")


def propose(
    directory: Path,
    method: str,
    /,
    *,
    wait: bool,
    timeout_s: float,
    quiet: bool,
    request_id: str,
    **params: Any,
) -> dict[str, Any]:
    """Open what `method` opens; its answer, and whether we waited until it is open.

    Under a request id that is made up if none is given, so that whoever gives up can repeat it.
    """
    request_id = request_id or new_request_id()
    answer = ask_to_spend(directory, method, request_id=request_id, **params)
    if wait:
        with naming_the_request(answer, request_id):
            identity = answer["objective_id"]
            wait_for_objective(directory, identity, timeout_s=timeout_s, quiet=quiet)
    return {**answer, "completed": wait, "opened": wait, "request_id": request_id}
