"""The rules of the two app contracts, each taken out once."""

from __future__ import annotations

from tests.support.contract_mutants import Mutant


def _log(file: str, old: str, new: str) -> Mutant:
    return Mutant("MessageLogApp", file, old, new)


def _game(old: str, new: str, file: str = "RockPaperScissorsApp") -> Mutant:
    return Mutant("RockPaperScissorsApp", file, old, new)


OUTCOME_RULES = {
    "one asset before": ("before.length == 1 && later", "later"),
    "one asset later": (" && later.length == 1", ""),
    "two shares before": ("opened.allocations.length == 2 && moved", "moved"),
    "two shares later": (" && moved.allocations.length == 2", ""),
    "the asset": ("opened.asset == moved.asset &&", ""),
    "the asset type": (
        "opened.assetMetadata.assetType == moved.assetMetadata.assetType &&",
        "",
    ),
    "the asset's metadata": (
        "_equal(opened.assetMetadata.metadata, moved.assetMetadata.metadata)",
        "true",
    ),
    "the first share": (
        "_requireSameShare(opened.allocations[0], moved.allocations[0]);",
        "",
    ),
    "the last share": (
        "_requireSameShare(opened.allocations[1], moved.allocations[1]);",
        "",
    ),
    "simple shares before": (
        "before.allocationType == AllocationTypes.SIMPLE &&",
        "later.allocationType == before.allocationType ||",
    ),
    "simple shares later": ("later.allocationType == AllocationTypes.SIMPLE,", "true,"),
    "destinations": ("before.destination == later.destination", "true"),
    "metadata of shares": ("_equal(before.metadata, later.metadata)", "true"),
}

STATE_RULES = {
    "a head of app data": ("appData.length >= HEAD_SIZE", "appData.length >= 128"),
    "the largest message": ("data.messageSize <= MESSAGE_SIZE_MAX", "true"),
    "the largest message, by one": (
        "data.messageSize <= MESSAGE_SIZE_MAX",
        "data.messageSize <= MESSAGE_SIZE_MAX + 1",
    ),
    "a count of 64 bits": ("data.count <= type(uint64).max &&", ""),
    "the message's offset": ("uint256(bytes32(appData[96:128])) == MESSAGE_OFFSET &&", ""),
    "the size of app data": (
        "appData.length == HEAD_SIZE + paddedSize &&",
        "appData.length >= HEAD_SIZE + paddedSize &&",
    ),
    "zero padding": ("bytes32(appData[HEAD_SIZE + data.messageSize:]) == 0", "true"),
    "openings signed by all": (
        "_isUnanimous(fixedPart, opening)",
        "isSignedBy(opening, 0)",
    ),
    "turns of openings": ("turnNum == PREFUND_TURN || turnNum == POSTFUND_TURN", "true"),
    "prefunds": ("turnNum == PREFUND_TURN || turnNum == POSTFUND_TURN", "turnNum == POSTFUND_TURN"),
    "what openings say": ("_requireNothingSaid(opening.variablePart);", ""),
    "the postfund's turn": ("postfund.variablePart.turnNum == POSTFUND_TURN", "true"),
    "a postfund signed by all": (
        "_isUnanimous(fixedPart, postfund)",
        "isSignedBy(postfund, 0)",
    ),
    "what the postfund says": ("_requireNothingSaid(postfund.variablePart);", ""),
    "final running states": ("!running.isFinal", "true"),
    "running turns": ("running.turnNum > POSTFUND_TURN", "true"),
    "counts": ("data.count == running.turnNum - POSTFUND_TURN", "true"),
    "one reducer": ("data.reducerId == bytes32(postfund.appData[:32])", "true"),
    "the first root": (
        "if (data.count == 1) requireLink(bytes32(0), running, data);",
        "",
    ),
    "the sum": ("first + last == openedFirst + openedLast", "true"),
    "the sum's upper bound": (
        "first + last == openedFirst + openedLast",
        "first + last <= openedFirst + openedLast",
    ),
    "a sum that fits": (
        "require(first + last == openedFirst + openedLast, 'sum changed');",
        "unchecked { require(first + last == openedFirst + openedLast, 'sum changed'); }",
    ),
    "final openings": ("!opening.isFinal", "true"),
    "roots of openings": ("data.logRoot == 0 &&", ""),
    "counts of openings": ("data.count == 0 &&", ""),
    "messages of openings": (" && data.messageSize == 0,", ","),
    "links": ("data.logRoot == keccak256(abi.encode(rootBefore, messageHash))", "true"),
    "links to the root before": (
        "abi.encode(rootBefore, messageHash)",
        "abi.encode(0, messageHash)",
    ),
}

LOG_RULES = {
    "the proof's length": ("proof.length <= 2", "true"),
    "the first's signature": ("AppStates.isSignedBy(running, 0) &&", ""),
    "the last's signature": (
        "AppStates.isSignedBy(running, fixedPart.participants.length - 1)",
        "true",
    ),
    "the last's signature, not the second's": (
        "AppStates.isSignedBy(running, fixedPart.participants.length - 1)",
        "AppStates.isSignedBy(running, 1)",
    ),
    "the postfund": ("AppStates.requirePostfund(fixedPart, proof[0]);", ""),
    "the sum": ("AppStates.requireSameSum(postfund, running.variablePart);", ""),
    "the count before": ("dataBefore.count + 1 == data.count", "true"),
    "the link": (
        "AppStates.requireLink(dataBefore.logRoot, candidate.variablePart, data);",
        "",
    ),
    "openings": ("AppStates.requireOpening(fixedPart, candidate);", ""),
}

GAME_RULES = {
    "the proof's length": ("proof.length <= 2", "true"),
    "openings": ("AppStates.requireOpening(fixedPart, candidate);", ""),
    "the postfund": ("AppStates.requirePostfund(fixedPart, proof[0]);", ""),
    "the state before": ("data.count == 1, 'the state before", "true, 'the state before"),
    "the link": (
        "AppStates.requireLink(rootBefore, candidate.variablePart, data);",
        "",
    ),
    "what is paid": (
        "_requirePaid(postfund, candidate.variablePart, _step(data), shown);",
        "",
    ),
    "the mover": ("AppStates.isSignedBy(moved, mover)", "true"),
    "a mover by index modulo all": (
        "_isFirst(step) ? 0 : fixedPart.participants.length - 1",
        "step % fixedPart.participants.length",
    ),
    "the first player alone": (
        "_isFirst(step) ? 0 : fixedPart.participants.length - 1",
        "0",
    ),
    "the second participant as player": (
        "_isFirst(step) ? 0 : fixedPart.participants.length - 1",
        "_isFirst(step) ? 0 : 1",
    ),
    "the size of a move": ("message.length == HEAD_SIZE + size &&", ""),
    "the head of a move": ("message[0] == HEAD &&", ""),
    "the size that a move says": ("uint8(message[1]) == size", "true"),
    "the first's reveal": (
        "_requireOpened(channelId, 0, revealed, shown[:LAST_COMMITMENT_AT]);",
        "",
    ),
    "the last's reveal": (
        "_requireOpened(channelId, 1, shown[LAST_REVEAL_AT:], commitment);",
        "",
    ),
    "no lower move": ("move >= ROCK && ", ""),
    "no higher move": (" && move <= SCISSORS", ""),
    "the commitment": (
        "keccak256(abi.encodePacked(channelId, player, revealed)) == bytes32(commitment)",
        "true",
    ),
    "a commitment of this channel": (
        "abi.encodePacked(channelId, player, revealed)",
        f"abi.encodePacked(bytes32(uint256(0x{'01' * 32})), player, revealed)",
    ),
    "a commitment of this player": (
        "abi.encodePacked(channelId, player, revealed)",
        "abi.encodePacked(channelId, uint8(0), revealed)",
    ),
    "the count before": ("dataBefore.count + 1 == data.count", "true"),
    "a tie before the next round": ("_lead(shownBefore) == 0", "true"),
    "what was shown": (
        "keccak256(shown[:shownBefore.length]) == keccak256(shownBefore)",
        "true",
    ),
    "the sum": ("AppStates.requireSameSum(postfund, moved);", ""),
    "a tie's stakes": ("first == stake", "true"),
    "the winner's pot": ("(lead == 1 ? last : first) == 0", "true"),
    "the winner": ("(lead == 1 ? last : first) == 0", "(lead == 1 ? first : last) == 0"),
    "the mover's pot": ("(_isFirst(step) ? last : first) == 0", "true"),
    "who leads": (
        "(uint256(uint8(shown[FIRST_REVEAL_AT])) + 3 - uint8(shown[LAST_REVEAL_AT])) % 3",
        "(uint256(uint8(shown[LAST_REVEAL_AT])) + 3 - uint8(shown[FIRST_REVEAL_AT])) % 3",
    ),
}

MUTANTS: dict[str, Mutant] = {
    **{f"outcomes: {name}": _log("TwoShares", *rule) for name, rule in OUTCOME_RULES.items()},
    **{f"states: {name}": _log("AppStates", *rule) for name, rule in STATE_RULES.items()},
    **{f"log: {name}": _log("MessageLogApp", *rule) for name, rule in LOG_RULES.items()},
    **{f"game: {name}": _game(*rule) for name, rule in GAME_RULES.items()},
}

UNCHANGED = {
    contract: Mutant(contract, contract, "proof.length <= 2", "proof.length <= 2")
    for contract in ("MessageLogApp", "RockPaperScissorsApp")
}
"""No mutants: what the mutants' compiler makes of the contracts as they are."""
