"""The node as its owner's door sees it: state, commands, the log as JSON, and figures of every
room."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import trio

from node.alarms import alarm_rows, alarms_of, alarms_of_apps, alarms_of_room
from node.answers import BackupAnswer, Done, LogEntry, PaymentAnswer, Until
from node.backups import Backups
from node.chain.service import ChainService
from node.config import Config
from node.engine import Engine
from node.explain.story import Fact
from node.history import History
from node.hub_status import hub_status
from node.limits import LOG_READ_COUNT_MAX
from node.moments import Moment
from node.outbox import Outbox
from node.p2p.service import PeerService
from node.past_view import PastView, channel_counts, identity_of, peer_row
from node.payment_lookup import find_payment
from node.prover import prove, prove_grown
from node.requests import channel_of
from node.routes import Routes
from node.rpc.interface import Wanted
from node.snapshot_status import snapshot_status
from node.store.record import Record
from node.views_service import ViewsService, views_status
from node.whatif.endpoints import Endpoints
from node.whatif.simulation import Simulation
from protocols import commands, event_codec, events, inputs
from protocols.draft import Context
from protocols.errors import UnknownPeer
from protocols.log_head import LogHead
from protocols.log_proof import ConsistencyProof, LogProof
from protocols.node_state import NodeState
from protocols.objectives.cranks import waiting_for
from protocols.recovery import is_recovering
from protocols.routes import AppTerms, Hop
from protocols.types import Address, ChannelId, PaymentId, amount_from_bytes, to_hex
from protocols.virtual_events import VirtualChannelRecorded

AppQuery = Callable[[ChannelId, str, float], Awaitable[tuple[list[str], list[Any]]]]
"""Channel, statement and seconds to columns and rows."""


class NodeApi:
    """Joins the engine to the rpc room; commands go in, nothing is decided here."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        outbox: Outbox,
        peers: PeerService,
        chain: ChainService,
        context: Callable[[int], Context],
        routes: Routes,
        backups: Backups,
        views: ViewsService | None,
        app_query: AppQuery,
        failing_apps: Callable[[], Mapping[ChannelId, str]],
    ) -> None:
        self._config = config
        self._views = views
        self._app_query = app_query
        self._failing_apps = failing_apps
        self._engine = engine
        self._outbox = outbox
        self._peers = peers
        self._chain = chain
        self._context = context
        self._routes = routes
        self._history = History(engine.log, engine.clock_ms)
        self._backups = backups
        self._started_s = time.monotonic()

    @property
    def state(self) -> NodeState:
        """Everything the node believes. Read only."""
        return self._engine.state

    @property
    def seq(self) -> int:
        """The last record that is in `state`."""
        return self._engine.log.next_seq - 1

    def waiting_for(self, objective_id: bytes) -> str:
        """The first unmet condition of a known objective."""
        objective = self.state.objectives[objective_id]
        return waiting_for(self.state, objective, self._context(0))

    def command_then(self, command: inputs.Input, until: Until, done: Done) -> bool:
        """Queue a command; a channel with a peer nobody can reach is refused at once."""
        stranger = self._stranger_in(command)
        if stranger is not None:
            done(UnknownPeer(stranger))
            return True
        return self._engine.command_then(command, until, done)

    def _stranger_in(self, command: inputs.Input) -> Address | None:
        """The first whom a new channel needs and we could not reach; None if there is nobody."""
        match command:
            case commands.OpenChannel() | commands.OpenLedger():
                needed: tuple[Address, ...] = (command.counterparty,)
            case commands.OpenVirtual() | commands.OpenVirtualApp():
                # She speaks with her neighbour, and about payments with the payee itself.
                needed = (command.path[0], command.path[-1])
            case _:
                return None
        reachable = self._config.p2p.peers.keys() | self._peers.connected()
        stranger = next((peer for peer in needed if peer not in reachable), None)
        if stranger is None:
            return None
        # A repeated call gets its first answer, whoever is in the address book by now.
        request_id, log = command.request_id, self._engine.log
        is_new = not request_id or log.find_request(request_id) is None
        return stranger if is_new else None

    def prompt(self) -> None:
        """All that one read brought is queued."""
        self._engine.prompt()

    def wake(self) -> None:
        """Whoever queued something is about to wait."""
        self._engine.wake()

    async def queue_room(self) -> None:
        """Return when a command may be offered again: after about a batch."""
        await trio.sleep(0.005)

    def seq_of(self, moment: Moment) -> int:
        """The last record that belongs to the moment. Raises MomentAhead or MomentBeforeLog."""
        return self._history.seq_of(moment)

    async def at(self, moment: Moment) -> PastView:
        """The node as it was at that moment. Raises MomentAhead or MomentBeforeLog."""
        seq = self._history.seq_of(moment)
        state = await self._history.state_at(seq)
        return PastView(self._engine.log, state, seq, self._context(0), self._config.node.name)

    async def app_query(
        self, channel_id: ChannelId, sql: str, timeout_s: float
    ) -> tuple[list[str], list[Any]]:
        """Columns and rows of an application's view. Raises AppQueryFailed."""
        return await self._app_query(channel_id, sql, timeout_s)

    def record(
        self, from_seq: int, limit: int, entity: bytes | None, last_seq: int
    ) -> Sequence[LogEntry]:
        """At most `limit` records from `from_seq` up to `last_seq`; of one channel or objective if
        `entity`."""
        log = self._engine.log
        count = min(limit, LOG_READ_COUNT_MAX)
        if entity is None:
            records = log.read(from_seq, min(from_seq + count, last_seq + 1))
        else:
            found = log.read_entity(entity, from_seq, count)
            records = takewhile(lambda record: record.seq <= last_seq, found)
        return [self._entry(record) for record in records]

    def matching(
        self, from_seq: int, count: int, entity: bytes | None, wanted: Wanted, last_seq: int
    ) -> tuple[Sequence[LogEntry], int]:
        """Of the next `count` records those that are wanted, and the first not looked at."""
        log, looked_at, next_seq, end = self._engine.log, 0, from_seq, last_seq + 1
        if entity is None:
            records = log.read(from_seq, min(from_seq + count, end))
        else:
            found_of = log.read_entity(entity, from_seq, count)
            records = takewhile(lambda record: record.seq < end, found_of)
        found = []
        for record in records:
            looked_at, next_seq = looked_at + 1, record.seq + 1
            if wanted(record.name, record.event):
                found.append(self._entry(record))
        return found, next_seq if looked_at == count else max(next_seq, end)

    def _entry(self, record: Record) -> LogEntry:
        return LogEntry(
            record.seq,
            record.time_ms,
            record.cause_seq,
            record.name,
            record.version,
            event_codec.json_payload(record.event(), record.version, record.time_ms),
            self._engine.log.chain_at(record.seq),
        )

    def time_at(self, seq: int) -> int:
        """When a record of the log was written, Unix milliseconds."""
        return self._engine.log.time_at(seq)

    async def record_counts(
        self, from_seq: int, last_seq: int, entity: bytes | None
    ) -> Counter[str] | None:
        """How many records of each name there are; about one channel or objective if `entity`.

        None if there are more than `COUNTED_RECORD_COUNT_MAX`.
        """
        return await self._history.record_counts(from_seq, last_seq, entity)

    def facts(
        self, entities: Sequence[bytes], from_seq: int, to_seq: int, limit: int
    ) -> Sequence[Fact]:
        """At most `limit` records about any of these ids, in order, from_seq <= seq < to_seq."""
        records = self._engine.log.read_entities(entities, from_seq, to_seq)
        return [
            Fact(record.seq, record.time_ms, record.cause_seq, record.event())
            for record in islice(records, limit)
        ]

    async def route_quote(
        self,
        path: tuple[Address, ...],
        asset: Address,
        amount: int,
        challenge_duration: int,
        timeout_ms: int,
        app: AppTerms | None = None,
    ) -> tuple[Hop, ...]:
        """What every participant says of a virtual channel of ours, ourselves first."""
        return await self._routes.quote(path, asset, amount, challenge_duration, timeout_ms, app)

    def simulation(self, *, others_answer: bool) -> Simulation:
        """A copy of the node as it is now, without its key, to assume things on."""
        context = self._context(self._engine.clock_ms())
        return Simulation(self.state, context, others_answer=others_answer)

    def fees_of_request(self, request_id: str) -> tuple[int, ...] | None:
        """The fees of the virtual channel that was opened under that request id, if one was."""
        log = self._engine.log
        seq = log.find_request(request_id)
        if seq is None:
            return None
        (record,) = log.read(seq, seq + 1)
        event = record.event()
        if not isinstance(event, events.ObjectiveParamsRecorded):
            return None
        channel_id = channel_of(log, self.state, event.objective_id)
        channel = self.state.channels.get(channel_id)
        if channel is not None:
            return None if channel.virtual is None else channel.virtual.fees
        # Pruned, so it was a virtual one that came to nothing: its records are few.
        recorded = (found.event() for found in log.read_entity(channel_id))
        carried = next(e for e in recorded if isinstance(e, VirtualChannelRecorded))
        return tuple(map(amount_from_bytes, carried.fees))

    def hub_status(self) -> dict[str, object]:
        """Terms, room taken and fees earned in virtual channels, as JSON values."""
        return {**hub_status(self._config.hub, self.state.carried), "at": {"seq": self.seq}}

    def payment(self, payment_id: PaymentId, last_seq: int) -> PaymentAnswer | None:
        """A payment of that name with what proves it up to that record; None if there is none."""
        return find_payment(self._engine.log, payment_id, last_seq)

    async def prove(self, seq: int) -> LogProof:
        """What shows that the log holds a record that is there, by a signed head over it."""
        return await prove(self._engine, seq)

    async def prove_grown(self, old: LogHead, new: LogHead) -> ConsistencyProof:
        """What shows that the older of two heads of ours is of the newer one's beginning."""
        return await prove_grown(self._engine, old, new)

    async def backup(self, target: Path) -> BackupAnswer:
        """Copy the log into a new directory; raises `BackupRefused`."""
        return await self._backups.make(target)

    def status(self) -> dict[str, object]:
        """Figures of every room, as JSON values."""
        log = self._engine.log
        chain = self._chain.statistics()
        age_s = self._chain.view_age_s(trio.current_time())
        return {
            **identity_of(self._config.node.name, self.state.node),
            "uptime_s": int(time.monotonic() - self._started_s),
            "log": {"next_seq": log.next_seq, "chain_hash": to_hex(log.chain_hash)},
            "snapshots": snapshot_status(self._engine.snapshots, log, self._engine.clock_ms()),
            "views": views_status(self._views, log.next_seq),
            "chain": {
                "connected": chain.connected,
                "endpoint": chain.endpoint,
                "head_block_num": chain.head_block_num,
                "processed_block_num": chain.processed_block_num,
                "view_age_s": None if age_s == float("inf") else int(age_s),
                "confirmation_count": self._config.chain.confirmation_count,
            },
            "outbox": {
                "message_count": self._outbox.message_count,
                "transaction_count": self._outbox.transaction_count,
            },
            "peers": self._peer_rows(),
            "channels": channel_counts(self.state),
            "recovering": is_recovering(self.state),
            "alarms": self._alarm_rows(),
            "at": {"seq": self.seq},
        }

    @property
    def fee_ceiling_wei(self) -> int:
        """The most that is ever bid for a unit of gas."""
        return self._config.chain.fee_ceiling_gwei * 10**9

    @property
    def endpoints(self) -> Endpoints:
        """The endpoints of the chain, as they are configured and one of them is in use."""
        config, used = self._config.chain, self._chain.statistics().endpoint
        return Endpoints(used, len(config.urls), config.quorum, config.confirmation_count)

    def blocks_until(self, time_s: int) -> int | None:
        """Blocks that will be mined until then, Unix seconds; None before the first head."""
        return self._chain.blocks_until(time_s)

    def _alarm_rows(self) -> list[dict[str, object]]:
        of_room = alarms_of_room(self.state, self._chain.troubles())
        alarms = [*alarms_of(self.state), *of_room, *alarms_of_apps(self._failing_apps())]
        return alarm_rows(alarms, self.blocks_until)

    def _peer_rows(self) -> list[dict[str, object]]:
        connected, known = self._peers.connected(), self._config.p2p.peers
        rows: list[dict[str, object]] = []
        for address in sorted({*known, *connected, *self.state.peers}):
            endpoint = known.get(address)
            listens_at = None if endpoint is None else f"{endpoint[0]}:{endpoint[1]}"
            rows.append(peer_row(self.state.peer(address), listens_at, address in connected))
        return rows
