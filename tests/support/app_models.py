"""What the two app contracts support, said again in Python, for random states to compare with.

The rules are those of ADR 0022, ADR 0079 and ADR 0080. A model answers yes or no: which of several
broken rules a contract names first is left to the tables.
"""

from __future__ import annotations

from dataclasses import replace

from eth_abi import decode
from eth_abi.exceptions import DecodingError

from tests.support.app_states import (
    APP_DATA_TYPES,
    EMPTY_ROOT,
    MESSAGE_SIZE_MAX,
    Claim,
    Said,
    app_data,
    next_root,
)
from tests.support.games import BEATS, commitment
from tests.support.nitro_signing import SIMPLE, Channel, Outcome

PLAYERS = (0, -1)


def supports_log(claim: Claim) -> bool:
    """Whether MessageLogApp takes the candidate with its proof."""
    read = _read_claim(claim)
    return read is not None and _supports_log(read)


def supports_game(claim: Claim) -> bool:
    """Whether RockPaperScissorsApp takes the candidate with its proof."""
    read = _read_claim(claim)
    return read is not None and _supports_game(read)


def _read(said: Said) -> Said | None:
    """The state with the fields that its app data says; None where that is no app data."""
    try:
        reducer_id, root, count, message = decode(APP_DATA_TYPES, said.app_data)
    except (DecodingError, OverflowError):
        return None
    if app_data(reducer_id, root, count, message) != said.app_data:
        return None
    fields = {"reducer_id": reducer_id, "root": root, "count": count, "message": message}
    return replace(said, **fields, data=None)


def _read_claim(claim: Claim) -> Claim | None:
    parts = {}
    for name in ("candidate", "postfund", "before"):
        said = getattr(claim, name)
        if said is not None and (read := _read(said)) is None:
            return None
        parts[name] = None if said is None else read
    return replace(claim, **parts)


def _supports_log(claim: Claim) -> bool:
    if claim.postfund is None:
        return _is_opening(claim.channel, claim.candidate, (0, 1))
    if claim.surplus > (0 if claim.before else 1) or not _stands(claim):
        return False
    before = _second(claim)
    running = [claim.candidate] if before is None else [claim.candidate, before]
    if not all(_is_agreed(claim, each) for each in running):
        return False
    return before is None or _follows(before, claim.candidate)


def _supports_game(claim: Claim) -> bool:
    if claim.postfund is None:
        return _is_opening(claim.channel, claim.candidate, (0, 1))
    if claim.surplus > (0 if claim.before else 1) or not _stands(claim):
        return False
    before, last = _second(claim), claim.candidate
    if not _is_move(claim, last) or not _is_split(claim, last):
        return False
    if before is None:
        return last.count == 1 and _is_paid(claim, last)
    if not _is_move(claim, before) or not _follows(before, last):
        return False
    step = (last.count - 1) % 4
    shown, shown_before = last.message[2:], before.message[2:]
    continues = (
        shown_before[64] == shown_before[97] if step == 0 else shown.startswith(shown_before)
    )
    return continues and _is_paid(claim, last)


def _second(claim: Claim) -> Said | None:
    return claim.before or (claim.postfund if claim.surplus else None)


def _is_opening(channel: Channel, said: Said, turns: tuple[int, ...]) -> bool:
    return (
        set(channel.actors) <= set(said.signers)
        and said.turn in turns
        and not said.is_final
        and (said.root, said.count, said.message) == (EMPTY_ROOT, 0, b"")
    )


def _stands(claim: Claim) -> bool:
    assert claim.postfund is not None
    return _is_opening(claim.channel, claim.postfund, (1,))


def _is_running(claim: Claim, said: Said) -> bool:
    assert claim.postfund is not None
    return (
        not said.is_final
        and said.turn >= 2
        and said.count == said.turn - 1
        and len(said.message) <= MESSAGE_SIZE_MAX
        and said.reducer_id == claim.postfund.reducer_id
        and (said.count > 1 or said.root == next_root(EMPTY_ROOT, said.message))
    )


def _follows(before: Said, later: Said) -> bool:
    linked = next_root(before.root, later.message)
    return before.count + 1 == later.count and later.root == linked


def _is_agreed(claim: Claim, said: Said) -> bool:
    ends = {claim.channel.actors[0], claim.channel.actors[-1]}
    return ends <= set(said.signers) and _is_running(claim, said) and _is_split(claim, said)


def _unpriced(outcome: Outcome) -> list[object]:
    return [
        (asset.lower(), about, [(share[0], share[2], share[3]) for share in shares])
        for asset, about, shares in outcome
    ]


def _is_split(claim: Claim, said: Said) -> bool:
    assert claim.postfund is not None
    opened, later = claim.postfund.outcome, said.outcome
    if len(opened) != 1 or len(opened[0][2]) != 2 or _unpriced(opened) != _unpriced(later):
        return False
    if any(share[2] != SIMPLE for share in later[0][2]):
        return False
    total, moved = (sum(share[1] for share in each[0][2]) for each in (opened, later))
    return total == moved


def _is_move(claim: Claim, said: Said) -> bool:
    if not _is_running(claim, said):
        return False
    step = (said.count - 1) % 4
    size = (32, 64, 97, 130)[step]
    if said.message[:2] != bytes([0xC4, size]) or len(said.message) != size + 2:
        return False
    if claim.channel.actors[PLAYERS[step % 2]] not in said.signers:
        return False
    return all(_is_opened(claim.channel, said.message[2:], player) for player in range(step - 1))


def _is_opened(channel: Channel, shown: bytes, player: int) -> bool:
    at = (64, 97)[player]
    move, salt = shown[at], shown[at + 1 : at + 33]
    made = commitment(channel.channel_id, player, move, salt)
    return move in (1, 2, 3) and shown[32 * player :][:32] == made


def _is_paid(claim: Claim, said: Said) -> bool:
    assert claim.postfund is not None
    stakes = [share[1] for share in claim.postfund.outcome[0][2]]
    amounts = [share[1] for share in said.outcome[0][2]]
    step, shown, pot = (said.count - 1) % 4, said.message[2:], sum(stakes)
    if step < 3:
        return amounts == ([pot, 0] if step % 2 == 0 else [0, pot])
    first, last = shown[64], shown[97]
    if first == last:
        return amounts == stakes
    return amounts == ([pot, 0] if (first, last) in BEATS else [0, pot])
