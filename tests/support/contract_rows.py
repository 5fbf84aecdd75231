"""Every row of the contract tables, and words to pack."""

from __future__ import annotations

from tests.support import (
    rows_deposits,
    rows_force_move,
    rows_games,
    rows_message_log,
    rows_misbehaving,
    rows_payouts,
    rows_reclaim,
    rows_redemptions,
)
from tests.support.contract_tables import Rows, all_rows, packed
from tests.support.evm import EvmRpc
from tests.support.nitro_chain import Nitro
from tests.support.nitro_signing import keccak

TABLES: dict[str, Rows] = {
    "deposit": rows_deposits.ROWS,
    "challenge": rows_force_move.CHALLENGES,
    "checkpoint": rows_force_move.CHECKPOINTS,
    "conclude": rows_force_move.CONCLUSIONS,
    "transfer": rows_payouts.TRANSFERS,
    "all": rows_payouts.EVERYTHING,
    "misbehaving": rows_misbehaving.MISBEHAVING,
    "later": rows_misbehaving.LATER,
    "reclaim": rows_reclaim.RECLAIMS,
    "redemption": rows_redemptions.ROWS,
    "message log": rows_message_log.ROWS,
    "game": rows_games.ROWS,
}
ROWS = dict(all_rows(TABLES))


PACKINGS = {
    "nothing": (0, 0, 0),
    "all but the paid bit": (2**48 - 1, 2**47 - 1, 2**160 - 1),
    "a turn": (2**48 - 1, 0, 0),
    "a time": (0, 2**47 - 1, 0),
    "a fingerprint": (0, 0, 2**160 - 1),
    "the lowest bits": (1, 1, 1),
    "an ordinary word": (5, 1_700_000_000, 0x89F9D47FB5BB2A02E13F055B3F70D67F7CB266C4),
}


def put_word(nitro: Nitro, word: tuple[int, int, int]) -> bytes:
    """Write a status word into the first mapping of the adjudicator; its channel."""
    assert isinstance(nitro.rpc, EvmRpc)
    channel_id = b"\x44" * 32
    slot = int.from_bytes(keccak(channel_id + bytes(32)), "big")
    nitro.rpc.put(nitro.adjudicator.address, slot, int.from_bytes(packed(word), "big"))
    return channel_id
