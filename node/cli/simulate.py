"""`tally simulate`: what would happen if, on a copy of the node and without its key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.amounts import format_of
from node.cli.failures import reports_failures
from node.cli.node_call import ask, channel_id_of, objective_id_of
from node.cli.open import peer_address
from node.cli.options import HERE, NATIVE, AsJson, At, NodeDir, amount_in
from node.cli.output import print_json, print_table, say, short

EVENT_COLUMNS = ("after", "by", "event", "about")
WORTH_COLUMNS = ("channel", "party", "before", "after")
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
TIMEOUT_S = 40.0
_ABOUT = ("channel_id", "objective_id", "peer", "peer_id", "intent_id")
"""What an event is about: the first of these that it has."""
LIES = ("invents-challenge", "invents-deposit", "hides-challenge")
_DURATION = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
FORMS = (
    "wait 2h; silence PEER 2h; chain-silence 2h; no-deposit CHANNEL 2h; pay CHANNEL 5eth; "
    "open PEER 1eth; open-ledger PEER 1eth; close CHANNEL; approve OBJECTIVE; reject OBJECTIVE; "
    "exit CHANNEL; restart; lost PEER; lost PEER 3; deposited CHANNEL 1eth; concluded CHANNEL; "
    "challenged CHANNEL; challenged CHANNEL 1; challenge-expires CHANNEL; "
    "gas-price 50gwei; reorg 3; lies invents-challenge CHANNEL; "
    "lies invents-deposit CHANNEL 1eth; lies hides-challenge CHANNEL 2h"
)


@reports_failures
def simulate(
    assumptions: Annotated[
        list[str],
        typer.Argument(metavar="ASSUMPTION...", help="One a word group, in quotes and in order."),
    ],
    others_silent: Annotated[
        bool, typer.Option("--others-silent", help="Nobody answers: only what is assumed happens.")
    ] = False,
    at: At = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what would be recorded, sent and submitted, and what leaving would be worth then.

    An ASSUMPTION is one of: wait 2h; silence PEER 2h; chain-silence 2h; no-deposit CHANNEL 2h;
    pay CHANNEL 5eth; open PEER 1eth; open-ledger PEER 1eth; close CHANNEL; approve OBJECTIVE;
    reject OBJECTIVE; exit CHANNEL; restart; lost PEER; lost PEER 3 (the third message from there
    on); deposited CHANNEL 1eth; concluded CHANNEL; challenged CHANNEL; challenged CHANNEL 1 (with
    the other party's state of turn 1); challenge-expires CHANNEL (nobody answers until then);
    gas-price 50gwei (from there on); reorg 3 (the newest three blocks are replaced); lies
    invents-challenge CHANNEL; lies invents-deposit CHANNEL 1eth; lies hides-challenge CHANNEL 2h
    (of the endpoint in use: what others tell decides, if chain.quorum is above 1).
    Peers answer and the chain mines, unless it is assumed otherwise.
    """
    found = ask(
        directory,
        "node_simulate",
        assumptions=[parse_assumption(text, directory) for text in assumptions],
        others="silent" if others_silent else "answer",
        at=at,
        timeout_s=TIMEOUT_S,
    )
    if as_json:
        print_json(found)
        return
    for text, step in zip(assumptions, found["steps"], strict=True):
        _say_step(text, step)
    _say_worth(found["worst_case"])


def parse_assumption(text: str, directory: Path) -> dict[str, Any]:
    """What the node is told of an assumption; `typer.BadParameter` for one that is none."""
    words = text.split()
    form = _FORMS.get(words[0] if words else "")
    if form is None or not form[1] <= len(words) - 1 <= form[2]:
        raise typer.BadParameter(f"{text[:80]!r} is none: it is one of {FORMS}")
    return form[0](words[1:], directory)


def _with_peer(kind: str) -> Callable[[list[str], Path], dict[str, Any]]:
    return lambda words, directory: {"kind": kind, "peer": peer_address(words[0])}


def _with_channel(kind: str) -> Callable[[list[str], Path], dict[str, Any]]:
    return lambda words, directory: {
        "kind": kind,
        "channel_id": channel_id_of(directory, words[0]),
    }


def _with_objective(kind: str) -> Callable[[list[str], Path], dict[str, Any]]:
    return lambda words, directory: {
        "kind": kind,
        "objective_id": objective_id_of(directory, words[0]),
    }


def _passing(kind: str) -> Callable[[list[str], Path], dict[str, Any]]:
    return lambda words, directory: {"kind": kind, "duration_s": duration_s(words[0])}


def _opening(kind: str) -> Callable[[list[str], Path], dict[str, Any]]:
    def parse(words: list[str], directory: Path) -> dict[str, Any]:
        amount = amount_in(NATIVE, " ".join(words[1:]))
        return {"kind": kind, "peer": peer_address(words[0]), "amount": str(amount)}

    return parse


def _of_channel(kind: str) -> Callable[[list[str], Path], dict[str, Any]]:
    """An amount in the channel's own asset."""

    def parse(words: list[str], directory: Path) -> dict[str, Any]:
        channel_id = channel_id_of(directory, words[0])
        asset = ask(directory, "channel_get", channel_id=channel_id)["asset"]
        amount = amount_in(asset, " ".join(words[1:]))
        return {"kind": kind, "channel_id": channel_id, "amount": str(amount)}

    return parse


def _silence(words: list[str], directory: Path) -> dict[str, Any]:
    return {**_with_peer("silence")(words, directory), "duration_s": duration_s(words[1])}


def _lost(words: list[str], directory: Path) -> dict[str, Any]:
    """All that was not acknowledged, or one message of those to come."""
    if len(words) == 1:
        return _with_peer("messages_lost")(words, directory)
    if not words[1].isdecimal() or not words[1].isascii() or len(words[1]) > 6:
        raise typer.BadParameter(f"{words[1][:40]!r} is no message: 1 is the next that leaves")
    return {**_with_peer("message_lost")(words, directory), "number": int(words[1])}


def _challenged(words: list[str], directory: Path) -> dict[str, Any]:
    """With the oldest state that all signed, or that of a turn."""
    found = _with_channel("challenged")(words, directory)
    return found if len(words) == 1 else {**found, "turn_num": _number(words[1], "turn")}


def _number(text: str, name: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 14:
        raise typer.BadParameter(f"{text[:40]!r} is the number of no {name}")
    return int(text)


def _gas_price(words: list[str], directory: Path) -> dict[str, Any]:
    return {"kind": "gas_price", "amount": str(amount_in(NATIVE, " ".join(words)))}


def _lies(words: list[str], directory: Path) -> dict[str, Any]:
    """What the endpoint in use says falsely, and of which channel."""
    lie = words[0].replace("-", "_")
    if words[0] not in LIES or (len(words) == 2) != (lie == "invents_challenge"):
        raise typer.BadParameter(f"{' '.join(words)[:80]!r} is no lie: it is one of {FORMS}")
    if lie == "invents_deposit":
        found = _of_channel("endpoint_lies")(words[1:], directory)
    else:
        found = _with_channel("endpoint_lies")(words[1:], directory)
    if lie == "hides_challenge":
        found["duration_s"] = duration_s(" ".join(words[2:]))
    return {**found, "lie": lie}


def _no_deposit(words: list[str], directory: Path) -> dict[str, Any]:
    return {**_with_channel("no_deposit")(words, directory), "duration_s": duration_s(words[1])}


_FORMS: dict[str, tuple[Callable[[list[str], Path], dict[str, Any]], int, int]] = {
    "wait": (_passing("wait"), 1, 1),
    "silence": (_silence, 2, 2),
    "chain-silence": (_passing("chain_silence"), 1, 1),
    "no-deposit": (_no_deposit, 2, 2),
    "pay": (_of_channel("payment"), 2, 3),
    "open": (_opening("open_channel"), 2, 3),
    "open-ledger": (_opening("open_ledger"), 2, 3),
    "close": (_with_channel("close"), 1, 1),
    "approve": (_with_objective("approve"), 1, 1),
    "reject": (_with_objective("reject"), 1, 1),
    "restart": (lambda words, directory: {"kind": "restart"}, 0, 0),
    "lost": (_lost, 1, 2),
    "deposited": (_of_channel("deposited"), 2, 3),
    "concluded": (_with_channel("concluded"), 1, 1),
    "challenged": (_challenged, 1, 2),
    "challenge-expires": (_with_channel("challenge_expires"), 1, 1),
    "lies": (_lies, 2, 4),
    "exit": (_with_channel("exit"), 1, 1),
    "gas-price": (_gas_price, 1, 2),
    "reorg": (
        lambda words, directory: {"kind": "reorg", "number": _number(words[0], "block")},
        1,
        1,
    ),
}
"""By first word: how the rest is read, and how many words there are at least and at most."""


def duration_s(text: str) -> int:
    """Seconds, of 90s, 5m, 2h or 1d; `typer.BadParameter` for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text[:40]!r} is no time that passes: write 90s, 5m, 2h or 1d")
    return int(found[1]) * UNITS_S[found[2]]


def _say_step(text: str, step: dict[str, Any]) -> None:
    refusal, events = step["refusal"], step["events"]
    text = " ".join(map(short_word, text.split()))
    if refusal is not None:
        say(f"{text}: refused, {refusal['name']}: {refusal['message']}")
        return
    if step["lie"] is not None:
        say(f"{text}: {_lie(step['lie'])}")
    rows = [_event_row(event, events[0]["time_ms"]) for event in events]
    print_table(text, EVENT_COLUMNS, rows, f"{text}: nothing would be recorded.", cut_last=True)
    for message in step["messages"]:
        again = " again" if message["again"] else ""
        what = message["kind"] or f"message {message['sequence']}"
        lost = ", and it is lost" if message["lost"] else ""
        say(f"  sends{again}: {what} to {short(message['peer'])}{lost}")
    for order in step["transactions"]:
        again = " again" if order["again"] else ""
        value = format_of(NATIVE, int(order["value"]))
        where = short(order["channel_id"])
        what = f"{order['function']} with {value}, for channel {where}{_terms(order)}"
        say(f"  submits{again}: {what}")
    for waiting in step["waiting"]:
        where = short(waiting["channel_id"])
        say(f"  waits: {waiting['objective_type']} of {where} for {waiting['waiting_for']}")
    say("")


def _lie(lie: dict[str, Any]) -> str:
    alarm = "no alarm is raised" if lie["alarm"] is None else f"alarm {lie['alarm']}"
    return f"{lie['verdict']}. {lie['said'][0].upper()}{lie['said'][1:]}; {alarm}."


def _terms(order: dict[str, Any]) -> str:
    """What a transaction takes, and by when it must be mined."""
    gas = "" if order["gas"] is None else f", about {order['gas']:,} gas"
    cost = "" if order["cost"] is None else f" for {format_of(NATIVE, int(order['cost']))}"
    by = "" if order["deadline"] is None else f", by {order['deadline']}"
    return f"{gas}{cost}{by}" + (", held back by the fee ceiling" if order["held_back"] else "")


def short_word(word: str) -> str:
    """An id or an address as tables show it, any other word as it is."""
    return short(word) if word.startswith("0x") else word


def _event_row(event: dict[str, Any], first_ms: int) -> list[object]:
    payload = event["payload"]
    about = next((payload[name] for name in _ABOUT if payload.get(name)), "-")
    passed_s = (event["time_ms"] - first_ms) // 1_000
    by = "others" if event["assumed"] else "node"
    return [f"{passed_s} s", by, event["name"], short(str(about))]


def _say_worth(worst: dict[str, Any]) -> None:
    rows = [
        [short(channel["channel_id"]), short(party["party"]), *_amounts(channel["asset"], party)]
        for channel in worst["channels"]
        for party in channel["parties"]
    ]
    rows += [
        ["all of ours", short(total["asset"]), *_amounts(total["asset"], total)]
        for total in worst["totals"]
    ]
    nothing = "No channel is touched by it."
    print_table("Worth at worst", WORTH_COLUMNS, rows, nothing, right=WORTH_COLUMNS[2:])
    for total in worst["totals"]:
        if int(total["paid_in"]):
            say(f"{format_of(total['asset'], int(total['paid_in']))} of it come from the wallet.")
    say(f"Gas of these transactions: {_bill(worst['gas_spent'])}.")
    if rows and worst["gas_to_leave"] is not None:
        say(f"Gas to leave all of ours then: {_bill(worst['gas_to_leave'])}.")


def _bill(bill: dict[str, Any]) -> str:
    """Gas, and what it costs where a price is assumed."""
    if not bill["transaction_count"]:
        return "none"
    count = bill["transaction_count"]
    found = f"about {bill['gas']:,} for {count} transaction{'' if count == 1 else 's'}"
    if bill["cost"] is None:
        found += ", its price is not known: assume a gas-price first"
    else:
        found += f", {format_of(NATIVE, int(bill['cost']))}"
    unmeasured = bill["unmeasured_count"]
    return found + (f", and {unmeasured} that nobody measured" if unmeasured else "")


def _amounts(asset: str, row: dict[str, Any]) -> list[str]:
    return [
        "unknown" if row[name] is None else format_of(asset, int(row[name]))
        for name in ("before", "after")
    ]
