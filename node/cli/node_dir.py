"""A node's directory as `tally init` makes it: keys, token, configuration, data.

Nothing that is there is ever overwritten, and what was begun and failed is taken away again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from node.cli.failures import CommandFailed
from node.config import CONFIG_FILE, TOKEN_FILE
from node.config_values import Endpoint, printable
from node.deployment import JUDGED_APPS, MESSAGE_LOG_APP, TEST_TOKEN, Deployment
from node.keys import SCRYPT_N

KEYSTORE_FILE = "keystore.json"
DATA_DIR = "data"


@dataclass(frozen=True)
class NodeDirPlan:
    """What the new node's configuration says."""

    directory: Path
    name: str
    p2p_listen: Endpoint
    rpc_listen: Endpoint
    policy: str = "ask"
    peers: Mapping[bytes, Endpoint] = field(default_factory=dict)
    deployment: Deployment | None = None
    hub_fee: int | None = None
    """For carrying a channel of others, in the smallest unit of its asset; None: it is no hub."""
    fault_points: bool = False
    scrypt_n: int = SCRYPT_N


def make_node_dir(plan: NodeDirPlan, password: str, secret: bytes | None = None) -> bytes:
    """Write keystore, token, configuration and data directory; the node's 20-byte address.

    `secret` is the key to use; a fresh one else. Raises `CommandFailed` or `KeystoreError`.
    """
    from node import keys
    from node.config import load
    from node.rpc.token import create_token

    directory = plan.directory
    files = [directory / name for name in (KEYSTORE_FILE, TOKEN_FILE, CONFIG_FILE)]
    for path in [*files, directory / DATA_DIR]:
        if path.exists() or path.is_symlink():
            raise CommandFailed(
                f"{path} is there already: nothing is overwritten",
                "Name a new directory, or move the old one away",
                "ALREADY_THERE",
            )
    made = _make_directory(directory)
    try:
        address = keys.create(files[0], password, secret=secret, scrypt_n=plan.scrypt_n)
        create_token(files[1])
        files[2].write_text(config_text(plan), encoding="utf-8")
        if plan.deployment is not None:
            load(directory, environment={})
        (directory / DATA_DIR).mkdir(mode=0o700)
    except BaseException:
        for path in files:
            path.unlink(missing_ok=True)
        if made:
            directory.rmdir()
        raise
    return address


def _make_directory(directory: Path) -> bool:
    """Whether it is new."""
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if directory.is_dir():
            return False
        raise CommandFailed(f"{directory} is not a directory", "Name another one") from None
    except OSError as error:
        raise CommandFailed(
            f"{directory} cannot be made: {error.strerror}", "Name another place"
        ) from error
    return True


def config_text(plan: NodeDirPlan) -> str:
    """The configuration file, with a word on each section."""
    lines = [
        "# A Tallystick node. Every setting is explained in docs/configuration.md;",
        "# `tally config show` tells which value holds and where it came from.",
        "",
        "[node]",
        f"name = {_quoted(plan.name)}",
        f"data_dir = {_quoted(DATA_DIR)}",
        f"keystore = {_quoted(KEYSTORE_FILE)}",
        "",
        *_chain_lines(plan.deployment),
        "",
        "[p2p]",
        f"listen = {_quoted(printable(plan.p2p_listen))}",
        "",
        '# Where each peer listens: "0xADDRESS" = "host:port"',
        "[p2p.peers]",
        *(
            f"{_quoted(printable(who))} = {_quoted(printable(at))}"
            for who, at in plan.peers.items()
        ),
        "",
        "# For the owner's programs, which need the token in rpc.token. Port 0 picks a free one.",
        "[rpc]",
        f"listen = {_quoted(printable(plan.rpc_listen))}",
        "",
        "# What happens when a peer proposes a channel: ask, allow or deny.",
        "[policy]",
        f"default = {_quoted(plan.policy)}",
        "# Tokens that channels may hold besides the chain's own currency.",
        f"assets = [{', '.join(_quoted(token) for token in _tokens(plan.deployment))}]",
    ]
    lines += ["", *_hub_lines(plan.hub_fee, _tokens(plan.deployment))]
    if plan.fault_points:
        lines += ["", "# For tests only: lets the process be told to kill itself.", "[test]"]
        lines += ["fault_points = true"]
    return "\n".join(lines) + "\n"


def _chain_lines(deployment: Deployment | None) -> list[str]:
    if deployment is None:
        return [
            "# Fill these in before the first start: the node works on this one deployment only.",
            "[chain]",
            '# urls = ["wss://host/path"]',
            "# chain_id = 1",
            '# adjudicator = "0x..."',
            '# virtual_payment_app = "0x..."',
            '# consensus_app = "0x..."',
        ]
    addresses = deployment.addresses
    return [
        "[chain]",
        f"urls = [{_quoted(deployment.rpc_url)}]",
        f"chain_id = {deployment.chain_id}",
        f"adjudicator = {_quoted(addresses['adjudicator'])}",
        f"virtual_payment_app = {_quoted(addresses['virtual_payment_app'])}",
        f"consensus_app = {_quoted(addresses['consensus_app'])}",
        *_app_lines(addresses),
        f"confirmation_count = {deployment.confirmation_count}",
    ]


def _app_lines(addresses: Mapping[str, str]) -> list[str]:
    """What applications run on, where a deployment has it."""
    lines = []
    if MESSAGE_LOG_APP in addresses:
        lines.append(f"message_log_app = {_quoted(addresses[MESSAGE_LOG_APP])}")
    judged = [_quoted(addresses[name]) for name in JUDGED_APPS if name in addresses]
    if judged:
        lines.append(f"judged_apps = [{', '.join(judged)}]")
    return lines


def _hub_lines(fee: int | None, tokens: list[str]) -> list[str]:
    lines = [
        "# Whether virtual channels between others may lead through this node, and for what.",
        "[hub]",
    ]
    if fee is None:
        return [*lines, "enabled = false"]
    lines += ["enabled = true", f'fee_base = "{fee}"']
    for token in tokens:
        lines += ["", f"[hub.tokens.{_quoted(token)}]", f'fee_base = "{fee}"']
    return lines


def _tokens(deployment: Deployment | None) -> list[str]:
    """The test token, on a chain that has one."""
    token = None if deployment is None else deployment.addresses.get(TEST_TOKEN)
    return [] if token is None else [token]


def _quoted(value: object) -> str:
    # A JSON string is a TOML basic string, as long as no surrogate pair is escaped.
    return json.dumps(str(value), ensure_ascii=False)
