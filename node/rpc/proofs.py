"""Heads and proofs as JSON: `log_head`, `log_prove`, `log_consistency`, and what `tally
verify-proof` reads again."""

from __future__ import annotations

from typing import Annotated, Literal

import trio
from msgspec import Meta, Struct

from node.moments import AtRecord
from node.rpc.bounds import LIST_SLICE_COUNT
from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi
from node.rpc.params import MomentText, Params
from node.rpc.queries import node_at
from node.rpc.results import AddressOut, At, Hash32Out
from protocols.log_head import LogHead, LogOwner
from protocols.log_proof import ConsistencyProof, LogProof
from protocols.types import UINT48_MAX, checksum_address, from_hex, parse_address, to_hex

PROOF_FORMAT: Literal["tallystick log proof 1"] = "tallystick log proof 1"
CONSISTENCY_FORMAT: Literal["tallystick log consistency 1"] = "tallystick log consistency 1"

HexBytes = Annotated[str, Meta(pattern="^0x([0-9a-f]{2})*$")]


class LogProveParams(Params, frozen=True):
    """Which record."""

    seq: Annotated[int, Meta(ge=0, le=UINT48_MAX)]
    """Its number."""


class LogHeadParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Of which moment."""

    at: MomentText | None = None
    """The moment to show; left out, now."""


class LogConsistencyParams(
    Params, frozen=True, forbid_unknown_fields=True, gc=False, rename={"from_": "from"}
):
    """Which two heads: those that were the newest at these moments."""

    from_: MomentText
    """Of the older head. A head's own length is such a moment."""
    to: MomentText | None = None
    """Of the newer one; left out, the newest there is."""


class HeadView(Struct, frozen=True, gc=False):
    """A signed head of a log."""

    length: int
    """How many records it is over: those below this number."""
    root: Hash32Out
    """Of the Merkle mountain range over them."""
    signature: HexBytes
    """r, s and v of its node, in 65 bytes."""


class PeerHeadView(Struct, frozen=True, gc=False):
    """What is kept of a peer's log."""

    peer: AddressOut
    head: HeadView
    """The longest it showed."""
    dispute_count: int
    """Heads it showed that contradict this one: `log-head-disputed` holds them."""


class LogHeads(Struct, frozen=True, gc=False):
    """The newest head of our log, and those we keep of peers'."""

    node: AddressOut
    log_length: int
    """Records there are, or were at the moment asked about."""
    head: HeadView | None
    """Null until the first is signed."""
    peers: list[PeerHeadView]
    at: At


class LogProofView(Struct, frozen=True, gc=False):
    """Shows anybody, without the rest of the log, that the node has this record."""

    format: Literal["tallystick log proof 1"]
    chain_id: int
    adjudicator: AddressOut
    node: AddressOut
    """Whose log it is, and who signed the head."""
    seq: int
    record: HexBytes
    """Its bytes: a MessagePack array."""
    chain_before: Hash32Out
    """Chain hash of the record before it."""
    chain_hash: Hash32Out
    """sha256(chain_before || record): the leaf is sha256(0x00 || chain_hash)."""
    path: list[Hash32Out]
    """Siblings from the leaf up to its peak."""
    peaks: list[Hash32Out]
    """All peaks, from left to right."""
    head: HeadView


class LogConsistencyView(Struct, frozen=True, gc=False):
    """Shows anybody that a node's log only grew between two heads that it signed."""

    format: Literal["tallystick log consistency 1"]
    chain_id: int
    adjudicator: AddressOut
    node: AddressOut
    """Whose log it is, and who signed both heads."""
    old: HeadView
    new: HeadView
    path: list[Hash32Out]
    """The consistency proof of RFC 9162, 2.1.4."""


def head_view(head: LogHead) -> HeadView:
    """A head as JSON."""
    return HeadView(head.length, to_hex(head.root), to_hex(head.signature))


def proof_view(proof: LogProof) -> LogProofView:
    """A proof as JSON."""
    owner = proof.owner
    return LogProofView(
        PROOF_FORMAT,
        owner.chain_id,
        checksum_address(owner.adjudicator),
        checksum_address(owner.node),
        proof.seq,
        to_hex(proof.record),
        to_hex(proof.chain_before),
        to_hex(proof.chain_hash),
        [to_hex(sibling) for sibling in proof.path],
        [to_hex(peak) for peak in proof.peaks],
        head_view(proof.head),
    )


def proof_from(view: LogProofView) -> LogProof:
    """The proof that was shown; raises a `ProtocolError` for what is no hex or no address."""
    adjudicator, node = parse_address(view.adjudicator), parse_address(view.node)
    return LogProof(
        LogOwner(view.chain_id, adjudicator, node),
        view.seq,
        from_hex(view.record),
        from_hex(view.chain_before),
        tuple(map(from_hex, view.path)),
        tuple(map(from_hex, view.peaks)),
        _head_from(view.head),
    )


def consistency_view(proof: ConsistencyProof) -> LogConsistencyView:
    """Such a proof as JSON."""
    owner = proof.owner
    return LogConsistencyView(
        CONSISTENCY_FORMAT,
        owner.chain_id,
        checksum_address(owner.adjudicator),
        checksum_address(owner.node),
        head_view(proof.old),
        head_view(proof.new),
        [to_hex(hash_) for hash_ in proof.path],
    )


def consistency_from(view: LogConsistencyView) -> ConsistencyProof:
    """The proof that was shown; raises a `ProtocolError` for what is no hex or no address."""
    owner = LogOwner(view.chain_id, parse_address(view.adjudicator), parse_address(view.node))
    path = tuple(map(from_hex, view.path))
    return ConsistencyProof(owner, _head_from(view.old), _head_from(view.new), path)


def _head_from(view: HeadView) -> LogHead:
    return LogHead(view.length, from_hex(view.root), from_hex(view.signature))


async def log_head(node: NodeApi, p: LogHeadParams) -> LogHeads:
    """Our newest head and those we keep of peers, now or at a moment."""
    view = await node_at(node, p.at)
    state, peers = view.state, []
    for index, address in enumerate(list(state.peers), 1):
        peer = state.peer(address)
        if peer.head is not None:
            shown = head_view(peer.head)
            peers.append(PeerHeadView(checksum_address(address), shown, peer.head_dispute_count))
        if index % LIST_SLICE_COUNT == 0:
            await trio.lowlevel.checkpoint()
    head = state.node.head
    ours = None if head is None else head_view(head)
    owner = checksum_address(state.node.address)
    return LogHeads(owner, view.seq + 1, ours, peers, At(view.seq))


async def log_prove(node: NodeApi, p: LogProveParams) -> LogProofView:
    """One record with its path to a signed head; `MomentAhead` if it is not there yet."""
    return proof_view(await node.prove(node.seq_of(AtRecord(p.seq))))


async def log_consistency(node: NodeApi, p: LogConsistencyParams) -> LogConsistencyView:
    """That the log only grew between two heads.

    Raises InvalidParams, MomentAhead or MomentBeforeLog.
    """
    old = (await node_at(node, p.from_, "from")).state.node.head
    new = (await node_at(node, p.to, "to")).state.node.head
    if old is None:
        raise InvalidParams("from", "no head was signed by then: log_head shows the newest")
    if new is None or new.length < old.length:
        raise InvalidParams("to", "it is before from")
    return consistency_view(await node.prove_grown(old, new))
