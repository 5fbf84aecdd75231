// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AppData, AppStates} from './AppStates.sol';
import {IForceMoveApp} from './IForceMoveApp.sol';
import {NitroHashes} from './NitroHashes.sol';
import {FixedPart, RecoveredVariablePart, VariablePart} from './NitroTypes.sol';
import {TwoShares} from './TwoShares.sol';

/// Rock-paper-scissors for the whole deposit, between the first and the last participant.
///
/// A round is commit, commit, reveal, reveal, the first participant moving first. The mover's
/// signature alone makes a move count, and every state but a round's last pays the pot to
/// whoever moved last: who does not answer has lost. See ADR 0079 for the bytes of a move.
contract RockPaperScissorsApp is IForceMoveApp {
    uint256 private constant STEP_COUNT = 4;
    uint256 private constant FIRST_COMMITS = 0;
    uint256 private constant LAST_COMMITS = 1;
    uint256 private constant FIRST_REVEALS = 2;

    /// A message is MessagePack's "bytes of up to 255", one byte of size, and what was shown.
    uint256 private constant HEAD_SIZE = 2;
    bytes1 private constant HEAD = 0xc4;

    /// Two commitments of 32 bytes, then twice a move of one byte and its salt of 32.
    uint256 private constant LAST_COMMITMENT_AT = 32;
    uint256 private constant FIRST_REVEAL_AT = 64;
    uint256 private constant LAST_REVEAL_AT = 97;
    uint256 private constant ROUND_SIZE = 130;

    uint8 private constant ROCK = 1;
    uint8 private constant SCISSORS = 3;

    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        require(proof.length <= 2, 'bad proof length');
        if (proof.length == 0) {
            AppStates.requireOpening(fixedPart, candidate);
            return (true, '');
        }
        AppStates.requirePostfund(fixedPart, proof[0]);
        VariablePart calldata postfund = proof[0].variablePart;
        (AppData memory data, bytes calldata shown) = _requireMove(fixedPart, postfund, candidate);
        if (proof.length == 1) {
            require(data.count == 1, 'the state before is missing');
        } else {
            bytes32 rootBefore = _requireReply(fixedPart, postfund, proof[1], data, shown);
            AppStates.requireLink(rootBefore, candidate.variablePart, data);
        }
        _requirePaid(postfund, candidate.variablePart, _step(data), shown);
        return (true, '');
    }

    /// A state that its mover signed; its app data and what its message shows. Every move that it
    /// shows is the one that was committed.
    function _requireMove(
        FixedPart calldata fixedPart,
        VariablePart calldata postfund,
        RecoveredVariablePart calldata moved
    ) private pure returns (AppData memory data, bytes calldata shown) {
        data = AppStates.requireRunning(postfund, moved.variablePart);
        uint256 step = _step(data);
        // Hubs stand between the two players and never move.
        uint256 mover = _isFirst(step) ? 0 : fixedPart.participants.length - 1;
        require(AppStates.isSignedBy(moved, mover), 'not signed by the mover');
        bytes calldata message = AppStates.lastMessage(moved.variablePart.appData, data);
        uint256 size = _sizeAfter(step);
        require(
            message.length == HEAD_SIZE + size &&
                message[0] == HEAD &&
                uint8(message[1]) == size,
            'bad move length'
        );
        shown = message[HEAD_SIZE:];
        if (step < FIRST_REVEALS) return (data, shown);
        bytes32 channelId = NitroHashes.channelId(fixedPart);
        bytes calldata revealed = shown[FIRST_REVEAL_AT:LAST_REVEAL_AT];
        _requireOpened(channelId, 0, revealed, shown[:LAST_COMMITMENT_AT]);
        if (step > FIRST_REVEALS) {
            bytes calldata commitment = shown[LAST_COMMITMENT_AT:FIRST_REVEAL_AT];
            _requireOpened(channelId, 1, shown[LAST_REVEAL_AT:], commitment);
        }
    }

    /// The commitment must hold the move and the salt that are revealed.
    function _requireOpened(
        bytes32 channelId,
        uint8 player,
        bytes calldata revealed,
        bytes calldata commitment
    ) private pure {
        uint8 move = uint8(revealed[0]);
        require(move >= ROCK && move <= SCISSORS, 'no such move');
        require(
            keccak256(abi.encodePacked(channelId, player, revealed)) == bytes32(commitment),
            'not the move of the commitment'
        );
    }

    /// `before` must be the other player's move that `shown` answers; its root. Its outcome does
    /// not matter: what the answer pays follows from the answer alone.
    function _requireReply(
        FixedPart calldata fixedPart,
        VariablePart calldata postfund,
        RecoveredVariablePart calldata before,
        AppData memory data,
        bytes calldata shown
    ) private pure returns (bytes32 rootBefore) {
        (AppData memory dataBefore, bytes calldata shownBefore) = _requireMove(
            fixedPart,
            postfund,
            before
        );
        require(dataBefore.count + 1 == data.count, 'bad proof[1].turnNum');
        if (_step(data) == FIRST_COMMITS) {
            require(_lead(shownBefore) == 0, 'the game is decided');
        } else {
            require(
                keccak256(shown[:shownBefore.length]) == keccak256(shownBefore),
                'what was shown changed'
            );
        }
        return dataBefore.logRoot;
    }

    /// The pot to whoever moved last, and after the last reveal to the winner; a tie gives back
    /// the stakes.
    function _requirePaid(
        VariablePart calldata postfund,
        VariablePart calldata moved,
        uint256 step,
        bytes calldata shown
    ) private pure {
        AppStates.requireSameSum(postfund, moved);
        (uint256 first, uint256 last) = TwoShares.amounts(moved.outcome);
        if (step == STEP_COUNT - 1) {
            uint256 lead = _lead(shown);
            if (lead == 0) {
                (uint256 stake, ) = TwoShares.amounts(postfund.outcome);
                require(first == stake, 'a tie gives back the stakes');
            } else {
                require((lead == 1 ? last : first) == 0, 'the pot is the winner\'s');
            }
        } else {
            require((_isFirst(step) ? last : first) == 0, 'the pot is the mover\'s');
        }
    }

    /// 0 for a tie, 1 when the first participant won, 2 when the last did; of a whole round.
    function _lead(bytes calldata shown) private pure returns (uint256) {
        return (uint256(uint8(shown[FIRST_REVEAL_AT])) + 3 - uint8(shown[LAST_REVEAL_AT])) % 3;
    }

    function _step(AppData memory data) private pure returns (uint256) {
        return (data.count - 1) % STEP_COUNT;
    }

    function _isFirst(uint256 step) private pure returns (bool) {
        return step % 2 == 0;
    }

    /// Bytes shown once a step is done.
    function _sizeAfter(uint256 step) private pure returns (uint256) {
        if (step == FIRST_COMMITS) return LAST_COMMITMENT_AT;
        if (step == LAST_COMMITS) return FIRST_REVEAL_AT;
        return step == FIRST_REVEALS ? LAST_REVEAL_AT : ROUND_SIZE;
    }
}
