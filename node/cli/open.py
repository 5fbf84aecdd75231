"""`tally open`: a payment channel to a peer, with our deposit in it."""

from typing import Annotated

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


@reports_failures
def open_channel(
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
    asset: Annotated[
        str,
        typer.Option(
            metavar="0xADDRESS", parser=asset_address, help="A token instead of the chain's coin."
        ),
    ] = NATIVE,
    challenge_duration_s: Annotated[
        int | None, typer.Option(help="Seconds in which a challenge can be answered.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the channel is open.")] = True,
    timeout_s: Annotated[float, typer.Option(help="How long to wait.")] = WAIT_TIMEOUT_S,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Open a one-way payment channel to a peer and deposit into it."""
    deposit = amount_in(asset, amount)
    request_id = request_id or new_request_id()
    answer = ask_to_spend(
        directory,
        "channel_open",
        counterparty=peer,
        amount=str(deposit),
        asset=asset,
        challenge_duration_s=challenge_duration_s,
        request_id=request_id,
    )
    if wait:
        with naming_the_request(answer, request_id):
            identity = answer["objective_id"]
            wait_for_objective(directory, identity, timeout_s=timeout_s, quiet=as_json)
    if as_json:
        print_json({**answer, "opened": wait, "request_id": request_id})
    else:
        done = "is open" if wait else "was proposed"
        say(f"Channel {answer['channel_id']} {done}, with {format_of(asset, deposit)} to pay.")
