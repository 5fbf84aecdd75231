"""`tally init DIR`: a new node, ready to run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.amounts import format_amount
from node.cli.failures import CommandFailed, reports_failures
from node.cli.options import AsJson
from node.cli.output import print_json, say
from node.cli.password import password_for

_SECRET = re.compile(r"(0x)?[0-9a-fA-F]{64}", re.ASCII)


@reports_failures
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
    deployment: Annotated[
        Path | None, typer.Option(help="The deployment file of tally devnet, or one like it.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The node's name in its log lines.")] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="0xADDRESS=HOST:PORT", help="A peer; can be given many times."),
    ] = None,
    p2p_listen: Annotated[str, typer.Option(help="Where peers reach us.")] = "127.0.0.1:7401",
    rpc_listen: Annotated[
        str, typer.Option(help="Where programs reach us; port 0 picks a free one.")
    ] = "127.0.0.1:0",
    policy: Annotated[str, typer.Option(help="On a peer's proposal: ask, allow or deny.")] = "ask",
    allow_all: Annotated[bool, typer.Option("--allow-all", help="As --policy allow.")] = False,
    hub: Annotated[
        bool, typer.Option("--hub", help="Let channels between others lead through this node.")
    ] = False,
    import_key: Annotated[
        Path | None, typer.Option(help="A file with a secret key in hex, or a keystore.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a node's directory: encrypted key, token, configuration, data."""
    from node import config_values as values
    from node.cli.node_dir import NodeDirPlan, make_node_dir
    from node.deployment import read_deployment
    from protocols.types import checksum_address

    plan = NodeDirPlan(
        directory=directory,
        name=_checked("--name", values.name, name) if name else _name_of(directory),
        p2p_listen=_checked("--p2p-listen", values.endpoint, p2p_listen),
        rpc_listen=_checked("--rpc-listen", values.loopback_endpoint, rpc_listen),
        policy="allow"
        if allow_all
        else _checked("--policy", values.choice("ask", "allow", "deny"), policy),
        peers=_checked("--peer", values.peers, ",".join(peer or [])),
        deployment=None if deployment is None else read_deployment(deployment),
        hub_fee=0 if hub else None,
    )
    password = password_for(f"the new node in {directory}", confirm=True)
    secret = None if import_key is None else _imported(import_key, password)
    address = checksum_address(make_node_dir(plan, password, secret))
    document: dict[str, Any] = {
        "directory": str(directory.resolve()),
        "name": plan.name,
        "address": address,
        "policy": plan.policy,
        **_funded(plan.deployment, address),
    }
    if as_json:
        print_json(document)
        return
    say(f"Made the node {plan.name} in {document['directory']}: its address is {address}.")
    say(document["funding"])
    if plan.deployment is None:
        say("Fill in [chain] in its config.toml before the first start.")
    say(f"Start it with: tally run -c {directory}")


def _checked(option: str, parse: Callable[[object, bool], Any], text: str) -> Any:
    try:
        return parse(text, True)
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text!r} {error}") from error


def _name_of(directory: Path) -> str:
    """The directory's own name, as far as it makes one."""
    return re.sub(r"[^A-Za-z0-9._-]|^[._-]+", "", directory.resolve().name)[:64] or "node"


def _imported(path: Path, password: str) -> bytes:
    """The secret in a file of hex digits, or in a keystore that opens with the same password."""
    from node import keys

    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}", "Name the right file") from error
    if _SECRET.fullmatch(text):
        return bytes.fromhex(text.removeprefix("0x"))
    return keys.unlock(path, password)


def _funded(deployment: Any, address: str) -> dict[str, Any]:
    """Send the new node test money where there is some; say what happened."""
    from node.deployment import FUNDING_WEI, TEST_TOKEN, DevnetError, fund, fund_token

    nothing = {"funded_wei": "0", "funding_transaction": None}
    if deployment is None or not deployment.funded_keys:
        return {**nothing, "funding": "Send it some ether for deposits and gas."}
    try:
        tx_hash = fund(deployment, address)
        if TEST_TOKEN in deployment.addresses:
            fund_token(deployment, address)
    except DevnetError as error:
        return {**nothing, "funding": f"It has no test money: {error}"}
    return {
        "funded_wei": str(FUNDING_WEI),
        "funding_transaction": tx_hash,
        "funding": f"It was given {format_amount(FUNDING_WEI)} of test money.",
    }
