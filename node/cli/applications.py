"""`tally app`: application channels, from installing a reducer to closing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.close import WAIT_TIMEOUT_S as CLOSE_TIMEOUT_S
from node.cli.close import close
from node.cli.failures import EXIT_FAILED, CommandFailed, report, reports_failures
from node.cli.node_call import ask, ask_to_spend, channel_id_of, new_request_id
from node.cli.open import (
    WAIT_TIMEOUT_S,
    Asset,
    ChallengeDuration,
    FeeMax,
    OverLedger,
    Timeout,
    Via,
    path_terms,
    peer_address,
    propose,
)
from node.cli.options import (
    HERE,
    NATIVE,
    AmountCommand,
    AsJson,
    NodeDir,
    RequestId,
    amount_in,
    written_amount,
)
from node.cli.output import print_json, print_rows, print_table, say, short, tell
from node.cli.wait import wait_for_answer
from protocols.app_channel import TURN_RULES
from protocols.app_data import MESSAGE_SIZE_BYTES_MAX

if TYPE_CHECKING:
    from node.apps.installed import Installed

Channel = Annotated[str, typer.Argument(help="The channel, by its id or its beginning.")]

DECIDED_TIMEOUT_S = 30.0
"""A peer that is there answers within milliseconds."""
QUERY_TIMEOUT_S_MAX = 60.0
"""What the node gives a question at most, seconds."""

app = typer.Typer(no_args_is_help=True, help="Channels of applications: both ends run a reducer.")


@app.command("install")
@reports_failures
def install(
    reducer: Annotated[
        Path,
        typer.Argument(
            metavar="REDUCER", help="Its folder, C file or module, or the name of one that ships."
        ),
    ],
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Install a reducer: channels may be opened with it from then on, also by peers."""
    from node.apps.errors import TooManyReducers
    from node.reducers.folders import find_reducer, read_module, shipped_or

    installed = _installed(directory)
    try:
        found = find_reducer(shipped_or(reducer))
        code_hash = "0x" + installed.install(read_module(found)).hex()
    except TooManyReducers as error:
        step = f"Remove files from {installed.directory / 'reducers'}"
        raise CommandFailed(str(error), step, "TOO_MANY_REDUCERS") from error
    tell({"reducer": code_hash}, f"Installed {code_hash}.", as_json=as_json)


@app.command("reducers")
@reports_failures
def reducers(directory: NodeDir = HERE, as_json: AsJson = False) -> None:
    """List the reducers that are installed, by the hash of their code."""
    found = ["0x" + name.hex() for name in _installed(directory).hashes()]
    text = "\n".join(found) or "No reducers. Install one with: tally app install REDUCER"
    tell({"reducers": found}, text, as_json=as_json)


def _installed(directory: Path) -> Installed:
    """What the node of that directory has: where none is, nothing may seem to be installed."""
    from node.apps.installed import Installed
    from node.config import load

    return Installed(load(directory).node.data_dir)


@app.command("open", cls=AmountCommand)
@reports_failures
def open_app(
    peer: Annotated[
        str,
        typer.Argument(
            metavar="PEER", parser=peer_address, help="The peer's address, from our configuration."
        ),
    ],
    reducer: Annotated[
        str, typer.Argument(metavar="REDUCER", help="The hash of its code, or its beginning.")
    ],
    amount: Annotated[
        str,
        typer.Argument(metavar="AMOUNT", parser=written_amount, help="Our deposit: 1eth."),
    ],
    theirs: Annotated[
        str,
        typer.Option(metavar="AMOUNT", parser=written_amount, help="The peer's deposit."),
    ] = "0",
    turns: Annotated[
        str, typer.Option(help="alternate: the ends take turns. leader: both talk, in our order.")
    ] = "alternate",
    contract: Annotated[
        str | None,
        typer.Option(
            metavar="0xADDRESS", parser=peer_address, help="A contract that judges the moves."
        ),
    ] = None,
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
    """Open an application channel, on chain or over ledgers, with a peer who has its reducer."""
    if turns not in TURN_RULES:
        raise typer.BadParameter(f"--turns is one of {', '.join(TURN_RULES)}")
    ours, others = amount_in(asset, amount), amount_in(asset, theirs)
    answer = propose(
        directory,
        "app_open",
        wait=wait,
        timeout_s=timeout_s,
        quiet=as_json,
        counterparty=peer,
        reducer=_reducer(directory, reducer),
        amount=str(ours),
        counterparty_amount=str(others),
        turn_rule=turns,
        app=contract,
        **path_terms(peer, via, asset, fee_max, over_ledger=over_ledger),
        asset=asset,
        challenge_duration_s=challenge_duration_s,
        request_id=request_id,
    )
    if as_json:
        print_json(answer)
    else:
        say(f"Channel {answer['channel_id']} {'is open' if wait else 'was proposed'}.")


def _reducer(directory: Path, text: str) -> str:
    """The whole hash of the installed reducer that begins like this."""
    wanted = text.lower().removeprefix("0x")
    found = [name.hex() for name in _installed(directory).hashes() if name.hex().startswith(wanted)]
    if not wanted:
        raise typer.BadParameter("REDUCER is the hash of its code, or its beginning")
    if len(found) != 1:
        what = "no reducer" if not found else f"{len(found)} reducers"
        raise CommandFailed(
            f"{what} installed whose hash begins with {text[:80]!r}",
            "tally app install REDUCER installs one, tally app reducers lists them",
            "REDUCER_NOT_INSTALLED",
        )
    return "0x" + found[0]


@app.command("send")
@reports_failures
def send(
    channel: Channel,
    message: Annotated[
        str,
        typer.Argument(
            metavar="JSON",
            help='What the reducer is told: [2], ["move", 3, 4]; bytes are {"hex": "00ff"}.',
        ),
    ],
    wait: Annotated[bool, typer.Option(help="Wait until both ends took it in.")] = True,
    timeout_s: Annotated[
        float, typer.Option(min=0, help="How long to wait for that.")
    ] = DECIDED_TIMEOUT_S,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Say something in an application channel; both ends' reducers judge it."""
    from node.reducers.values import ValueUnusable, from_json
    from node.views.encoding import encode

    try:
        payload = encode(from_json(json.loads(message)))
    except (ValueUnusable, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"JSON is no message: {error}") from error
    if len(payload) > MESSAGE_SIZE_BYTES_MAX:
        size = f"{len(payload):,} bytes, at most {MESSAGE_SIZE_BYTES_MAX:,} with sender and time"
        raise typer.BadParameter(f"JSON is no message: in MessagePack it has {size}")
    sent = {
        "channel_id": channel_id_of(directory, channel),
        "payload": "0x" + payload.hex(),
        "request_id": request_id or new_request_id(),
    }
    answer = ask_to_spend(directory, "app_send", until="durable", **sent)
    failure = None
    if wait and answer["count"] is None:
        answer, failure = _wait_until_decided(directory, sent, answer, timeout_s)
    if as_json:
        told = {**answer, "request_id": sent["request_id"]}
        print_json(told if failure is None else {**told, **failure.document()})
    elif failure is not None:
        report(failure, as_json=False)
    elif answer["count"] is None:
        say("The message waits for the other end: tally app messages CHANNEL")
    else:
        say(f"Both ends took it in: message {answer['count']}.")
    if failure is not None:
        raise typer.Exit(EXIT_FAILED)


def _wait_until_decided(
    directory: Path, sent: dict[str, str], answer: dict[str, Any], timeout_s: float
) -> tuple[dict[str, Any], CommandFailed | None]:
    """The newest answer about a recorded message, and why it is still not decided."""
    answer, missing = wait_for_answer(
        directory, ("app_send", sent), "decided", "count", answer=answer, timeout_s=timeout_s
    )
    if not missing or isinstance(missing, CommandFailed):
        return answer, missing or None
    name = sent["request_id"]
    return answer, CommandFailed(
        f"the message is recorded, and not decided yet: {missing}",
        "Nothing: it is offered when the peer is back, and waits in: tally app messages CHANNEL. "
        f"Do not repeat it without the same --request-id {name}",
        "NOT_DECIDED_YET",
        {"seq": str(answer["seq"]), "message_id": answer["message_id"], "request_id": name},
    )


@app.command("messages")
@reports_failures
def messages(
    channel: Channel,
    after: Annotated[int, typer.Option(min=0, help="Only those after so many.")] = 0,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what was said in an application channel, as both ends signed it."""
    channel_id = channel_id_of(directory, channel)
    found = ask(directory, "app_messages", channel_id=channel_id, after_count=after)
    if as_json:
        print_json(found)
        return
    rows = [_message(one) for one in found["messages"]]
    rows += [_waiting(one) for one in found["waiting"]]
    columns = ("message", "from", "time", "what was said")
    nothing = f"Nothing was said after message {after}." if after else "Nothing was said yet."
    print_table("Messages", columns, rows, nothing, cut_last=True)
    if found["halted"]:
        say(f"The channel was halted: {found['halted']}. Close it with: tally app close CHANNEL")


def _message(one: dict[str, Any]) -> list[object]:
    """A row for people: what was said as JSON, without its head in a message log."""
    from node.moments import utc_text
    from protocols.app_data import LOG_MESSAGE_HEAD_SIZE

    data, stamp_ms = bytes.fromhex(one["message"].removeprefix("0x")), one["timestamp_ms"]
    said = _said(data[LOG_MESSAGE_HEAD_SIZE:] if stamp_ms else data)
    return [one["count"], short(one["sender"]), utc_text(stamp_ms) if stamp_ms else None, said]


def _waiting(one: dict[str, Any]) -> list[object]:
    """The row of one of ours that is not decided; the RPC takes what is no MessagePack too."""
    from node.views.errors import ReducerFailed

    state = "waits for the peer" if one["offered"] else "waits"
    try:
        said = _said(bytes.fromhex(one["payload"].removeprefix("0x")))
    except ReducerFailed:
        said = one["payload"]
    return [state, "us", None, said]


def _said(data: bytes) -> str:
    from node.reducers.values import to_json
    from node.views.encoding import decode

    return json.dumps(to_json(decode(data)), ensure_ascii=False)


@app.command("query")
@reports_failures
def query(
    channel: Channel,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT.")],
    timeout_s: Annotated[
        float, typer.Option(min=0.001, max=QUERY_TIMEOUT_S_MAX, help="Seconds it may take.")
    ] = 5.0,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask the tables that the reducer made of a channel's messages."""
    channel_id = channel_id_of(directory, channel)
    timeout_ms = int(timeout_s * 1_000)
    found = ask(directory, "app_query", channel_id=channel_id, sql=sql, timeout_ms=timeout_ms)
    if as_json:
        print_json(found)
    else:
        rows = [[_shown(value) for value in row] for row in found["rows"]]
        print_rows("Answer", tuple(found["columns"]), rows, "No rows.")


def _shown(value: Any) -> object:
    """Bytes in hex; an amount's as they are, for nobody knows which column holds amounts."""
    return value["hex"] if isinstance(value, dict) else "" if value is None else value


@app.command("close")
@reports_failures
def close_app(
    channel: Channel,
    wait: Annotated[bool, typer.Option(help="Wait until the money is paid out.")] = True,
    timeout_s: Annotated[float, typer.Option(help="How long to wait.")] = CLOSE_TIMEOUT_S,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Close an application channel by the newest state that both ends signed."""
    channel_id = channel_id_of(directory, channel)
    if ask(directory, "channel_get", channel_id=channel_id)["kind"] != "app":
        reason = f"channel {channel_id} is no application's"
        raise CommandFailed(reason, "any channel is closed by: tally close", "NOT_AN_APP_CHANNEL")
    close(channel, wait, timeout_s, request_id, directory, as_json)
