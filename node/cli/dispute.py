"""`tally dispute export` and `tally dispute run`: leave a channel from a machine that has nothing
else."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.failures import CommandFailed, reports_failures
from node.cli.node_call import ask, channel_id_of
from node.cli.options import HERE, AsJson, NodeDir
from node.cli.output import print_json, say
from node.cli.plan import say_plan
from node.cli.signals import stop_on_sigterm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.dispute_run import Outcome, Task
    from protocols.dispute_reading import Case

EXPORT_TIMEOUT_S = 120.0
"""A ledger with all it may guarantee takes some seconds."""
URL_WAIT_S = 2.0
"""Seconds after which somebody is told that no endpoint answers yet."""
KEY_HELP = "a keystore, a file with its hex digits, env:NAME, or - for a prompt"

app = typer.Typer(
    no_args_is_help=True,
    help="Leave a channel from another machine: a file with all that it takes, and how it is run.",
)


@app.command()
@reports_failures
def export(
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="The channel, by its id or its beginning.")
    ],
    sealed: Annotated[
        bool,
        typer.Option(
            "--sealed",
            help="Sign the redemption of your largest voucher as well: the kit then needs no key, "
            "and the channel takes no voucher any more.",
        ),
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where; dispute-CHANNEL.json else."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there.")
    ] = False,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Write one file with which the channel can be left from a machine that has nothing else."""
    from node.kit_files import KitFile

    channel_id = channel_id_of(directory, channel)
    path = file or Path(f"dispute-{channel_id[2:12]}.json")
    place = KitFile(path, overwrite=overwrite)
    try:
        kit = _exported(directory, channel_id, sealed=sealed)
        place.write(kit)
    finally:
        place.discard()
    _say_exported(path, kit, as_json=as_json)


def _exported(directory: Path, channel_id: str, *, sealed: bool) -> bytes:
    """The kit's bytes, checked as whoever runs it will check them."""
    import msgspec

    from protocols.dispute_kit import DisputeKit, decode_kit, encode_kit
    from protocols.dispute_reading import read_kit

    answer = ask(
        directory,
        "dispute_export",
        channel_id=channel_id,
        sealed=sealed,
        timeout_s=EXPORT_TIMEOUT_S,
    )
    data = encode_kit(msgspec.convert(answer, DisputeKit))
    read_kit(decode_kit(data))
    return data


def _say_exported(path: Path, data: bytes, *, as_json: bool) -> None:
    from protocols.dispute_kit import decode_kit

    kit = decode_kit(data)
    if as_json:
        print_json(
            {
                "path": str(path),
                "size_bytes": len(data),
                "channel_id": kit.channel_id,
                "account": kit.account,
                "channels": [found.channel_id for found in kit.channels],
                "sealed": kit.sealed,
                "needs_key": kit.needs_key,
                "worth": _worth(kit.worth),
                "block_num": kit.made.block_num,
                "log_seq": kit.made.log_seq,
            }
        )
        return
    count = len(kit.channels)
    say(f"{path}: {'one channel' if count == 1 else f'{count} channels'}, for {kit.account}.")
    for found in _worth(kit.worth) or ():
        say(f"At worst it brings {found['amount']} of {found['asset']}, less gas.")
    if kit.needs_key:
        say("It needs your channel key when it is run: tally dispute run --channel-key.")
    else:
        say("It needs no key of yours. Whoever has it can end the channel, and pays only you.")
    say(f"Run it: tally dispute run {path} --rpc URL --key KEY")
    say("What is agreed or paid after this is not in it: export again then.")


def _worth(worth: Any) -> list[dict[str, str]] | None:
    if worth is None:
        return None
    return [{"asset": found.asset, "amount": found.amount} for found in worth]


@app.command("run")
@reports_failures
def run_kit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The kit.")],
    urls: Annotated[
        list[str],
        typer.Option("--rpc", metavar="URL", help="An endpoint of the chain; more for failover."),
    ],
    key: Annotated[
        str, typer.Option("--key", metavar="KEY", help=f"Who pays for gas: {KEY_HELP}.")
    ] = "",
    channel_key: Annotated[
        str,
        typer.Option(
            "--channel-key",
            metavar="KEY",
            help="The account's own key, where KIT_NEEDS_KEY asks for it: likewise.",
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the steps, their dates and gas, and do nothing.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait", help="See to the end, or stop when nothing is due for now."
        ),
    ] = True,
    confirmations: Annotated[
        int | None,
        typer.Option(min=0, max=10_000, help="Blocks until what is in one counts; as in the kit."),
    ] = None,
    fee_ceiling_gwei: Annotated[
        int, typer.Option(min=1, help="The most that is bid for a unit of gas, gwei.")
    ] = 500,
    as_json: AsJson = False,
) -> None:
    """Leave the kit's channels: challenge, wait, answer, and have all paid to the kit's account.

    Needs nothing but the file, an endpoint and a key with some gas. May be stopped and run again.
    """
    from node.dispute_run import Task
    from node.kit_files import read_kit_file
    from protocols.crypto import Signer
    from protocols.dispute_kit import decode_kit
    from protocols.dispute_reading import read_kit
    from protocols.error import ProtocolError

    try:
        case = read_kit(decode_kit(read_kit_file(file)))
        if not key and not dry_run:
            advice = f"Name one with --key: {KEY_HELP}"
            raise CommandFailed("nobody is named who pays for gas", advice, "KEY_MISSING")
        named = Signer(_secret(channel_key, "channel key")) if channel_key else None
        # A plan is shown to anybody: its key signs nothing.
        secret = _secret(key, "gas key") if key else b"\x01" * 32
        ceiling_wei = fee_ceiling_gwei * 10**9
        signer = case.signer(named)
        options = dry_run, wait, confirmations, ceiling_wei, named is not None
        task = Task(urls, secret, signer, _progress, *options)
        outcome = _run(case, task)
    except ProtocolError as error:
        raise CommandFailed(
            str(error), error.next_step, error.name(), dict(error.values()), error.retry_safe
        ) from error
    document = _document(case, outcome)
    if as_json:
        print_json(document)
    else:
        _say_outcome(document)


def _run(case: Case, task: Task) -> Outcome:
    import trio

    from node.dispute_run import Dispute
    from node.logs import configure_logs

    configure_logs(logging.ERROR)

    async def run() -> Outcome:
        await _verify(case, task.urls)
        return await Dispute(case, task).run()

    stop_on_sigterm()
    try:
        return trio.run(run)
    except (KeyboardInterrupt, BaseExceptionGroup) as error:
        if isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt) is None:
            raise
        raise CommandFailed(
            "stopped before its end", "Run it again: it goes on where the chain is", "STOPPED"
        ) from error


def _secret(named: str, what: str) -> bytes:
    from node.cli.password import password_for
    from node.keys import KeystoreError
    from node.secret_keys import secret_from

    def prompt() -> str:
        if not sys.stdin.isatty():
            raise KeystoreError(f"there is no terminal to ask for the {what} at", "Name a file")
        return str(typer.prompt(f"The {what}, hex digits", hide_input=True, err=True))

    return secret_from(named, os.environ, lambda path: password_for(path, confirm=False), prompt)


def _progress(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


async def _verify(case: Case, urls: Sequence[str]) -> None:
    """The endpoints serve the kit's chain, with its contracts. Waits while none answers."""
    import trio

    from node.chain.deployment import verify_deployment
    from node.chain.errors import NoCodeAtAddress, WrongChain

    node = case.state.node
    contracts = {
        "adjudicator": node.adjudicator,
        "virtual_payment_app": node.virtual_payment_app,
        "consensus_app": node.consensus_app,
    }
    try:
        with trio.move_on_after(URL_WAIT_S):
            await verify_deployment(urls, node.chain_id, contracts)
            return
        _progress(f"no endpoint answers yet, waiting: {', '.join(urls)}")
        await verify_deployment(urls, node.chain_id, contracts)
    except ValueError as error:
        raise CommandFailed(
            str(error), "Name a URL of ws, wss, http or https", "BAD_URL"
        ) from error
    except WrongChain as error:
        raise CommandFailed(
            f"{error.endpoint} serves chain {error.chain_id}, the kit is of chain {node.chain_id}",
            f"Name an endpoint of chain {node.chain_id} with --rpc",
            "WRONG_CHAIN",
        ) from error
    except NoCodeAtAddress as error:
        raise CommandFailed(
            f"no contract at {error.address.hex()}, the kit's {error.contract}, on chain "
            f"{error.chain_id} ({error.endpoint})",
            "Is it another chain of the same id? Name the right endpoint with --rpc",
            "NO_CODE_AT_ADDRESS",
        ) from error


def _document(case: Case, outcome: Outcome) -> dict[str, Any]:
    from node.moments import date_text
    from protocols.types import checksum_address, to_hex

    now_s = datetime.now(UTC).timestamp()
    return {
        "stage": outcome.stage.value,
        "completed": outcome.stage == "done",
        "account": case.kit.account,
        "received": [
            {"asset": checksum_address(asset), "amount": str(amount)}
            for asset, amount in sorted(outcome.received.items())
        ],
        "worth": _worth(case.kit.worth),
        "next_at": date_text(outcome.final_s) if outcome.final_s else None,
        "steps": [
            {
                "step": step.step,
                "channel_id": to_hex(step.channel_id),
                "gas": step.gas,
                "after_s": step.after_s,
                "not_before": date_text(int(now_s) + step.after_s),
                "blocks": blocks,
            }
            for step, blocks in zip(outcome.plan.steps, outcome.blocks, strict=True)
        ],
        "gas": outcome.plan.gas,
        "transactions": [
            {
                "kind": sent.kind.partition(" ")[0],
                "channel_id": to_hex(sent.channel_id),
                "status": sent.status,
                "tx_hash": to_hex(sent.tx_hash),
            }
            for sent in outcome.transactions
        ],
    }


def _say_outcome(document: dict[str, Any]) -> None:
    if document["stage"] == "planned":
        say_plan(document)
        return
    for found in document["received"]:
        say(f"{document['account']} got {found['amount']} of {found['asset']}.")
    if document["completed"]:
        say("Everything that the kit can bring was paid out.")
    else:
        say(f"Nothing is due now. Run it again at {document['next_at']}: the rest is due then.")
