"""A daemon's configuration and directory, for tests that run it in their own process.

The deployment is that of `tests.support.builders`; no chain answers unless a test names one.
"""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import trio

from node.config import (
    ChainConfig,
    Config,
    ForTestsConfig,
    HubConfig,
    NodeConfig,
    P2pConfig,
    PolicyConfig,
    RpcConfig,
    ViewsConfig,
)
from node.daemon import Daemon
from node.rpc.call import RpcEndpoint
from node.rpc.token import create_token
from node.store.log import EventLog
from protocols import events, inputs
from protocols.types import Address
from tests.support.actors import ALICE, Actor
from tests.support.builders import ADJUDICATOR, CHAIN_ID, CONSENSUS_APP, PAYMENT_APP

NOBODY = "ws://127.0.0.1:9"
"""The discard port: nothing listens there."""
READY_TIMEOUT_S = 60.0


def config_in(
    home: Path,
    *,
    urls: tuple[str, ...] = (NOBODY,),
    chain_id: int = CHAIN_ID,
    adjudicator: Address = ADJUDICATOR,
    virtual_payment_app: Address = PAYMENT_APP,
    consensus_app: Address = CONSENSUS_APP,
    message_log_app: Address | None = None,
    judged_apps: tuple[Address, ...] = (),
    confirmation_count: int = 0,
    challenge_duration_s_min: int = 3_600,
    challenge_duration_s_max: int = 604_800,
    default: Literal["ask", "allow", "deny"] = "allow",
    p2p_listen: tuple[str, int] = ("127.0.0.1", 0),
    rpc_listen: tuple[str, int] = ("127.0.0.1", 0),
    peers: Mapping[Address, tuple[str, int]] | None = None,
    fault_points: bool = False,
    views: bool = False,
) -> Config:
    """A node's directory at `home`, with a token, and its configuration."""
    home.mkdir(exist_ok=True)
    config = Config(
        path=home / "config.toml",
        node=NodeConfig("test node", home / "data", home / "keystore.json"),
        chain=ChainConfig(
            urls,
            chain_id,
            adjudicator,
            virtual_payment_app,
            consensus_app,
            confirmation_count,
            message_log_app=message_log_app,
            judged_apps=judged_apps,
        ),
        p2p=P2pConfig(p2p_listen, peers or {}),
        rpc=RpcConfig(rpc_listen),
        policy=PolicyConfig(
            challenge_duration_s_min, default, challenge_duration_s_max=challenge_duration_s_max
        ),
        hub=HubConfig(),
        test=ForTestsConfig(fault_points),
        views=ViewsConfig(enabled=views),
    )
    if not config.token_path.exists():
        create_token(config.token_path)
    return config


def recorded(config: Config) -> list[events.Event]:
    """Everything in a stopped daemon's log."""
    log = EventLog.open(config.node.data_dir, read_only=True)
    try:
        return [event for _, event in log.read_events()]
    finally:
        log.close()


def begin_and_leave(config: Config) -> None:
    """A daemon starts, and the power fails."""
    Daemon(config, ALICE.secret).log.close()


async def fed(config: Config, *items: inputs.Input) -> None:
    """A daemon takes these in, and then the power fails."""
    daemon = Daemon(config, ALICE.secret)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.engine.run)
        for item in items:
            await daemon.engine(item)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    daemon.log.close()


class RunningDaemon:
    """A daemon that is ready, in this process."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        said = json.loads(daemon.config.rpc_file.read_text())
        self.said: dict[str, Any] = said
        """What it announced."""
        host, port = said["rpc"].rsplit(":", 1)
        token = daemon.config.token_path.read_text().strip()
        self.endpoint = RpcEndpoint(host, int(port), token)
        host, port = said["p2p"].rsplit(":", 1)
        self.p2p: tuple[str, int] = (host, int(port))


@asynccontextmanager
async def running(config: Config, actor: Actor = ALICE) -> AsyncIterator[RunningDaemon]:
    """A daemon until the end of the block, where SIGTERM stops all that run in this process."""
    daemon = Daemon(config, actor.secret)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.run)
        with trio.fail_after(READY_TIMEOUT_S):
            while not config.rpc_file.exists():
                await trio.sleep(0.01)
        yield RunningDaemon(daemon)
        signal.raise_signal(signal.SIGTERM)
