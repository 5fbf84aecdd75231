"""`tally verify-proof FILE`: whether a node's log holds a record, or only grew, offline. Exit code
3 if not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.failures import EXIT_FINDINGS, CommandFailed, reports_failures
from node.cli.options import AsJson
from node.cli.output import print_fields, print_json, say

if TYPE_CHECKING:
    from node.rpc.proofs import LogConsistencyView, LogProofView
    from protocols.log_head import LogOwner
    from protocols.log_proof import LogProof

PROOF_SIZE_BYTES_MAX = 8 * 1024 * 1024
"""Of a file that is read: the largest record is below a message's 1 MiB, in hex twice that."""


@reports_failures
def verify_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `tally prove` wrote.")],
    node: Annotated[
        str | None, typer.Option(help="Whose log it must be: 0x... Without it, whoever signed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a proof that a node's log holds a record, or only grew. Needs no node; exit code 3 if
    it fails."""
    from protocols.error import ProtocolError

    data = _read(file)
    try:
        found = _proved(data, node)
    except ProtocolError as error:
        found = {"proved": False, "reason": str(error)}
    if as_json:
        print_json(found)
    elif found["proved"]:
        print_fields(_title(found), found)
    else:
        say(f"NOT PROVED: {found['reason']}")
    if not found["proved"]:
        raise typer.Exit(EXIT_FINDINGS)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(PROOF_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}", "Name a file with a proof") from error
    if len(data) > PROOF_SIZE_BYTES_MAX:
        raise CommandFailed(f"{file} is larger than any proof", "Name a file with a proof")
    return data


def _title(found: dict[str, Any]) -> str:
    if "seq" in found:
        return f"Proved: record {found['seq']} is in the log"
    return f"Proved: the log of {found['length']} records begins with that of {found['old_length']}"


def _proved(data: bytes, node: str | None) -> dict[str, Any]:
    """What is proved, as JSON values; raises a ProtocolError if it is not."""
    import msgspec

    from node.rpc.proofs import CONSISTENCY_FORMAT, LogConsistencyView, LogProofView
    from protocols.errors import InvalidEncoding

    class Format(msgspec.Struct):
        format: str

    try:
        if msgspec.json.decode(data, type=Format).format == CONSISTENCY_FORMAT:
            return _grown(msgspec.json.decode(data, type=LogConsistencyView), node)
        return _held(msgspec.json.decode(data, type=LogProofView), node)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEncoding("proof", str(error)) from error


def _held(view: LogProofView, node: str | None) -> dict[str, Any]:
    """Of one record."""
    from node.rpc.proofs import proof_from
    from protocols.log_proof import require_true

    proof = proof_from(view)
    require_true(proof)
    head = {"length": proof.head.length, "root": view.head.root}
    return {**_owner(proof.owner, node), "seq": proof.seq, **head, **_readable(proof)}


def _grown(view: LogConsistencyView, node: str | None) -> dict[str, Any]:
    """Of two heads."""
    from node.rpc.proofs import consistency_from
    from protocols.log_proof import require_grown

    proof = consistency_from(view)
    require_grown(proof)
    return {
        **_owner(proof.owner, node),
        "old_length": proof.old.length,
        "old_root": view.old.root,
        "length": proof.new.length,
        "root": view.new.root,
    }


def _owner(owner: LogOwner, node: str | None) -> dict[str, Any]:
    """Whose log it is; raises InvalidSignature if it must be somebody else's."""
    from protocols.errors import InvalidSignature
    from protocols.types import checksum_address, parse_address

    if node is not None and parse_address(node) != owner.node:
        raise InvalidSignature(f"it is of the log of {checksum_address(owner.node)}, not {node}")
    return {
        "proved": True,
        "node": checksum_address(owner.node),
        "chain_id": owner.chain_id,
        "adjudicator": checksum_address(owner.adjudicator),
    }


def _readable(proof: LogProof) -> dict[str, Any]:
    """The record, whose own number must be the one that is proved."""
    import msgspec

    from node.store.errors import NewerLogFormat
    from node.store.record import decode_record
    from protocols.errors import InvalidEncoding
    from protocols.event_codec import json_payload

    try:
        record = decode_record(proof.record)
    except msgspec.DecodeError as error:
        raise InvalidEncoding("record", str(error)) from error
    if record.seq != proof.seq:
        raise InvalidEncoding("record", f"it says of itself that it is record {record.seq}")
    try:
        payload: object = json_payload(record.event(), record.version, record.time_ms)
    except (NewerLogFormat, msgspec.DecodeError) as error:
        payload = f"not readable by this version: {error}"
    return {"time_ms": record.time_ms, "name": record.name, "payload": payload}
