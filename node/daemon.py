"""The daemon: wires the rooms together, starts and stops them. Nothing else does.

Order of a start: open the log, fold it, take up the outbox; then peers, chain and the owner's port.
Order of a stop: the doors close, the engine finishes what is queued, the last record is a digest.
"""

from __future__ import annotations

import gc
import json
import math
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import trio
from msgspec.structs import replace

from node.app_history import reducer_inputs
from node.apps.asking import Asker
from node.apps.deriving import Deriver
from node.apps.installed import Installed
from node.apps.judge import AppJudge
from node.apps.openings import with_reducers
from node.apps.quota import Judge, Quota
from node.backups import Backups
from node.chain.deployment import verify_deployment
from node.chain.service import ChainService
from node.config import Config
from node.config_values import Endpoint
from node.engine import Engine, replay
from node.faults import Faults, faults_from
from node.heads import Heads
from node.limits import OUTBOX_MESSAGE_COUNT_MAX, TICK_INTERVAL_S, VERIFY_WAIT_S
from node.logs import configure_logs
from node.misbehaviour import INTERVAL_S, Misbehaviour, is_too_much
from node.node_api import NodeApi
from node.outbox import Outbox
from node.p2p.service import PeerService
from node.routes import Routes
from node.rpc.server import RpcServer
from node.rpc.token import read_token
from node.start import StartRefused, begin_log, chain_cursor, require_safe
from node.store import backup
from node.store.log import EventLog
from node.store.snapshot_keys import ReadAhead
from node.store.snapshot_loading import load_snapshot
from node.store.snapshot_writing import remove_newer
from node.terms import terms_from
from node.views_service import ViewsService
from protocols import inputs, peer_sessions
from protocols.crypto import Signer
from protocols.draft import Context, Draft
from protocols.node_state import NodeState
from protocols.notes import Note
from protocols.routes import RouteAnswer, RouteQuery
from protocols.types import Address, ChannelId, checksum_address, to_hex

log = structlog.get_logger()

GARBAGE_THRESHOLD_COUNT = 50_000
"""New containers between two looks for reference circles. The values of the core hold none, and at
Python's 700 the looking was 5 % of a payment's way."""


class Daemon:
    """One node: its rooms, made from one configuration and one key."""

    def __init__(self, config: Config, secret: bytes, read_ahead: ReadAhead | None = None) -> None:
        require_safe(config)
        self.config = config
        self.signer = Signer(secret)
        self.installed = Installed(config.node.data_dir)
        self._terms = with_reducers(terms_from(config, self.signer), self.installed)
        self._started_s = time.monotonic()
        self._asker = Asker()
        self._token = read_token(config.token_path)
        try:
            faults = faults_from(os.environ, allowed=config.test.fault_points)
        except ValueError as error:
            raise StartRefused(str(error)) from error
        backup.require_in_place(config.node.data_dir)
        self.log = EventLog.open(config.node.data_dir)
        try:
            self._furnish(config, secret, faults, read_ahead)
        except BaseException:
            self.log.close()
            raise

    def _furnish(
        self, config: Config, secret: bytes, faults: Faults, read_ahead: ReadAhead | None
    ) -> None:
        """Fold the log and make the rooms around it."""
        self.state, snapshot_record_count = self._restored(read_ahead)
        self.peers = PeerService(
            signer=self.signer,
            chain_id=config.chain.chain_id,
            adjudicator=config.chain.adjudicator,
            listen=config.p2p.listen,
            addresses=config.p2p.peers,
            submit=_Doorstep(self),
            received_sequence=lambda peer: self.state.peer(peer).received,
            on_connected=self._peer_connected,
            on_disconnected=lambda peer: None,
            on_sent=partial(faults.hit, "after-send"),
            on_note=self._hear,
        )
        self.routes = Routes(
            self.signer.address, self.peers, lambda: Draft(self.state, self._context(0))
        )
        self.chain = ChainService(
            urls=config.chain.urls,
            chain_id=config.chain.chain_id,
            adjudicator=config.chain.adjudicator,
            secret=secret,
            confirmation_count=config.chain.confirmation_count,
            submit=_Doorstep(self),
            is_known=lambda channel_id: self.state.channels.get(channel_id) is not None,
            quorum=config.chain.quorum,
            fee_ceiling_wei=config.chain.fee_ceiling_gwei * 10**9,
        )
        self.misbehaviour = Misbehaviour(
            time.monotonic,
            self._expel,
            lambda peer: peer_sessions.shared_channel_count(self.state, peer),
        )
        self.outbox = Outbox(self.peers, self.chain, faults)
        self.apps = AppJudge(self.installed, partial(reducer_inputs, self.log, self.state))
        self._deriver = Deriver(config.node.data_dir, self.apps)
        self.engine = Engine(
            self.log,
            self.state,
            self.outbox,
            context=self._context,
            acknowledge=self._heard,
            clock_ms=lambda: time.time_ns() // 1_000_000,
            faults=faults,
            judge_app=_within_quota(self.apps, config),
            is_expelled=is_too_much,
            snapshot_record_count=snapshot_record_count,
            snapshot_interval_count=config.store.snapshot_interval_records,
        )
        self.heads = Heads(self.log, self.state, self.peers, _Doorstep(self))
        self.engine.on_head = self.heads.signed
        begin_log(self.log, self.state, config, self.signer.address, self.engine.record)
        self.outbox.load(effect for _, effect in self.log.outbox())
        self.views = self._views() if config.views.enabled else None
        self.api = NodeApi(
            config,
            self.engine,
            self.outbox,
            self.peers,
            self.chain,
            self._context,
            self.routes,
            Backups(self.log, config.node.data_dir),
            self.views,
            self._ask_app,
            self.apps.reasons,
        )

    def _views(self) -> ViewsService:
        views, data_dir = self.config.views, self.config.node.data_dir
        sink = (views.postgres, views.postgres_schema) if views.postgres else None
        return ViewsService(
            data_dir, lambda: self.log.next_seq, keeps_changes=views.keep_changes, sink=sink
        )

    async def _ask_app(
        self, channel_id: ChannelId, sql: str, timeout_s: float
    ) -> tuple[list[str], list[Any]]:
        await self._deriver.require(self.state.channels[channel_id])
        return await self._asker.ask(self.apps.path(channel_id), sql, timeout_s)

    def _restored(self, read_ahead: ReadAhead | None) -> tuple[NodeState, int]:
        """The state from the newest good snapshot and the records behind it; how many it has."""
        started = time.monotonic()
        loaded = load_snapshot(self.log, self.log.next_seq, read_ahead)
        for refused in loaded.refused:
            log.warning("snapshot not used", records=refused.record_count, reason=refused.reason)
        remove_newer(self.log, loaded)
        loaded_ms = int((time.monotonic() - started) * 1000)
        for _ in replay(self.log, loaded.state, loaded.record_count):
            pass
        log.info(
            "log folded",
            records=self.log.next_seq,
            snapshot_records=loaded.record_count,
            snapshot_ms=loaded_ms,
            took_ms=int((time.monotonic() - started) * 1000),
        )
        return loaded.state, loaded.record_count

    def _context(self, now_ms: int) -> Context:
        age_s = self.chain.view_age_s(trio.current_time()) if _in_trio() else float("inf")
        # Silence counts while we listen: after a night switched off nobody was silent.
        patience_s = self._terms.challenge_after_silence_s
        up_s = time.monotonic() - self._started_s
        return replace(
            self._terms,
            challenge_after_silence_s=patience_s if up_s >= patience_s else 0,
            now_ms=now_ms,
            chain_view_age_s=None if age_s == math.inf else int(age_s),
            has_head=self.log.has_root,
        )

    def _heard(self, peer: Address) -> None:
        """Messages of the peer are durable: acknowledge them, or show it the door."""
        self.peers.acknowledge(peer)
        self.misbehaviour.after_batch(self.state.peer(peer))
        if self.outbox.waiting_count(peer) > OUTBOX_MESSAGE_COUNT_MAX:
            log.warning("peer takes no messages and causes more", peer=to_hex(peer))
            self._expel(peer, INTERVAL_S)

    def _expel(self, peer: Address, duration_s: float) -> None:
        """End the session; what the peer said in it and nobody took yet is not recorded either."""
        self.peers.expel(peer, duration_s)
        self.engine.drop_messages(peer)

    def _hear(self, peer: Address, note: Note) -> None:
        if isinstance(note, RouteQuery | RouteAnswer):
            self.routes.hear(peer, note)
        else:
            self.heads.hear(peer, note)

    def _peer_connected(self, peer: Address, received: int) -> None:
        is_loss = peer_sessions.is_loss(self.state, peer, received)
        self.misbehaviour.met(self.state.peer(peer), is_loss=is_loss)
        self.engine.urge(inputs.PeerConnected(peer, received))
        self.outbox.resume_messages(peer, received)
        self.heads.met(peer)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises what makes it impossible to go on."""
        clean = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._stop_on_signal, nursery.cancel_scope)
                nursery.start_soon(_verify_deployment, self.config)
                nursery.start_soon(self.engine.run)
                nursery.start_soon(self.routes.run)
                nursery.start_soon(self.heads.run)
                listen = self.config.p2p.listen
                p2p_port = await _start_listening(nursery, "p2p", listen, self.peers.run)
                await nursery.start(self.chain.run, *chain_cursor(self.state))
                self.outbox.resume_transactions()
                listen = self.config.rpc.listen
                server = RpcServer(self.api, self._token, listen)
                rpc_port = await _start_listening(nursery, "rpc", listen, server.run)
                nursery.start_soon(self._tick)
                if self.views is not None:
                    nursery.start_soon(self.views.run)
                with self._announced(p2p_port, rpc_port):
                    await trio.sleep(math.inf)
            clean = True
        finally:
            self._close(clean=clean)

    async def _stop_on_signal(self, scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                log.info("stopping", signal=signal.Signals(number).name)
                scope.cancel()

    async def _tick(self) -> None:
        while True:
            await self.engine(inputs.Tick())
            await trio.sleep(TICK_INTERVAL_S)

    @contextmanager
    def _announced(self, p2p_port: int, rpc_port: int) -> Iterator[None]:
        """Say where we listen, on stdout and in the node's directory, while we do."""
        config = self.config
        ready = {
            "event": "ready",
            "address": checksum_address(self.signer.address),
            "p2p": f"{config.p2p.listen[0]}:{p2p_port}",
            "rpc": f"{config.rpc.listen[0]}:{rpc_port}",
            "pid": os.getpid(),
        }
        _write_atomically(config.rpc_file, json.dumps(ready))
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        try:
            yield
        finally:
            config.rpc_file.unlink(missing_ok=True)

    def _close(self, *, clean: bool) -> None:
        """The doors are closed: finish the queue, unless something failed."""
        try:
            if clean:
                self.engine.stop()
        finally:
            self.apps.close()
            self.log.close()
        log.info("stopped", records=self.log.next_seq)


class _Doorstep:
    """Hands inputs to the engine, which is made after the rooms that call it."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def __call__(self, item: inputs.Input, /) -> None:
        admitted = self._admit(item)
        if admitted is not None:
            await self._daemon.engine(admitted)

    def nowait(self, item: inputs.Input, /) -> bool:
        if isinstance(item, inputs.PeerFault):
            # Counting must not be done twice, so a fault takes the way that waits.
            return False
        return self._daemon.engine.nowait(item)

    def prompt(self) -> None:
        self._daemon.engine.prompt()

    def _admit(self, item: inputs.Input) -> inputs.Input | None:
        if not isinstance(item, inputs.PeerFault):
            return item
        fault_count = self._daemon.state.peer(item.peer).fault_count
        return self._daemon.misbehaviour.admit(item, fault_count)


def _within_quota(apps: AppJudge, config: Config) -> Judge:
    """Reducers as the engine runs them: for a peer no more than policy says."""
    policy = config.policy
    quota = Quota(apps.run, policy.app_messages_per_minute, policy.app_reducer_s_per_minute)
    return quota.run


def _in_trio() -> bool:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


async def _verify_deployment(config: Config) -> None:
    """Return once an endpoint shows the chain and the contracts that the configuration names."""
    chain = config.chain
    contracts = {
        "adjudicator": chain.adjudicator,
        "virtual_payment_app": chain.virtual_payment_app,
        "consensus_app": chain.consensus_app,
    }
    if chain.message_log_app is not None:
        contracts["message_log_app"] = chain.message_log_app
    contracts |= {f"judged_apps[{n}]": app for n, app in enumerate(chain.judged_apps)}
    await verify_deployment(chain.urls, chain.chain_id, contracts, config.policy.assets)


async def _start_listening(
    nursery: trio.Nursery,
    section: str,
    listen: Endpoint,
    run: Callable[[trio.TaskStatus[int]], Awaitable[None]],
) -> int:
    """Start a room that listens; the port it got. StartRefused if its address is not to be had."""
    try:
        port: int = await nursery.start(run)
    except OSError as error:
        raise StartRefused(
            f"{section}.listen = {listen[0]}:{listen[1]} cannot be used: {error.strerror}. "
            "Is another node running there? Port 0 takes a free one"
        ) from error
    return port


def _write_atomically(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text + "\n")
    draft.chmod(0o600)
    draft.replace(path)


async def run_daemon(config: Config, secret: bytes, read_ahead: ReadAhead | None = None) -> None:
    """Run one node until it is told to stop; what was read ahead of its snapshot spares reading.

    Raises StartRefused, the store's errors (LogDamaged, LogInUse, ...), the chain's (WrongChain,
    NoCodeAtAddress, NoTokenAtAddress), or OSError for a port that is taken.
    """
    configure_logs()
    gc.set_threshold(GARBAGE_THRESHOLD_COUNT)
    with trio.move_on_after(VERIFY_WAIT_S):
        # Before the log exists: record 0 would hold a wrong address for ever.
        await _verify_deployment(config)
    try:
        await Daemon(config, secret, read_ahead).run()
    except BaseExceptionGroup as group:
        raise _first_cause(group) from group


def _first_cause(error: BaseException) -> BaseException:
    """What went wrong, out of the groups that nurseries wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
