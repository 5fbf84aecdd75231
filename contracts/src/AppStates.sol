// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Consensus} from './Consensus.sol';
import {FixedPart, RecoveredVariablePart, VariablePart} from './NitroTypes.sol';
import {TwoShares} from './TwoShares.sol';

/// What a state of an app channel says besides its outcome. `count` messages led to `logRoot`;
/// the last of them has `messageSize` bytes and stands behind the head of the app data.
struct AppData {
    bytes32 reducerId;
    bytes32 logRoot;
    uint256 count;
    uint256 messageSize;
}

/// The rules that hold in every app channel, whatever its messages mean: ADR 0022 and ADR 0080.
/// App data is `abi.encode(bytes32 reducerId, bytes32 logRoot, uint64 count, bytes lastMessage)`.
library AppStates {
    uint48 internal constant PREFUND_TURN = 0;
    uint48 internal constant POSTFUND_TURN = 1;

    /// Bytes. Whoever leaves with a state pays for its message, and so does whoever has to repeat
    /// a state that another checkpointed.
    uint256 internal constant MESSAGE_SIZE_MAX = 4096;

    /// Bytes before the message: three values, the message's offset and its size.
    uint256 private constant HEAD_SIZE = 160;
    uint256 private constant MESSAGE_OFFSET = 128;

    /// The app data of a state, which must be the one encoding of its fields and nothing more.
    function decoded(bytes calldata appData) internal pure returns (AppData memory data) {
        require(appData.length >= HEAD_SIZE, 'bad app data');
        data.reducerId = bytes32(appData[:32]);
        data.logRoot = bytes32(appData[32:64]);
        data.count = uint256(bytes32(appData[64:96]));
        data.messageSize = uint256(bytes32(appData[128:160]));
        require(data.messageSize <= MESSAGE_SIZE_MAX, 'message too long');
        uint256 paddedSize = ((data.messageSize + 31) / 32) * 32;
        require(
            data.count <= type(uint64).max &&
                uint256(bytes32(appData[96:128])) == MESSAGE_OFFSET &&
                appData.length == HEAD_SIZE + paddedSize &&
                bytes32(appData[HEAD_SIZE + data.messageSize:]) == 0,
            'bad app data'
        );
    }

    /// The last message itself; `data` is what `decoded` made of the same app data.
    function lastMessage(
        bytes calldata appData,
        AppData memory data
    ) internal pure returns (bytes calldata) {
        return appData[HEAD_SIZE:HEAD_SIZE + data.messageSize];
    }

    /// A prefund or postfund: signed by all, no message yet.
    function requireOpening(
        FixedPart calldata fixedPart,
        RecoveredVariablePart calldata opening
    ) internal pure {
        require(_isUnanimous(fixedPart, opening), '!unanimous; |proof|=0');
        uint48 turnNum = opening.variablePart.turnNum;
        require(
            turnNum == PREFUND_TURN || turnNum == POSTFUND_TURN,
            'bad candidate turnNum; |proof|=0'
        );
        _requireNothingSaid(opening.variablePart);
    }

    /// The postfund, on which every running state stands.
    function requirePostfund(
        FixedPart calldata fixedPart,
        RecoveredVariablePart calldata postfund
    ) internal pure {
        require(postfund.variablePart.turnNum == POSTFUND_TURN, 'bad proof[0].turnNum');
        require(_isUnanimous(fixedPart, postfund), 'postfund !unanimous');
        _requireNothingSaid(postfund.variablePart);
    }

    /// Everything about a running state's app data that needs no state but the postfund; its root
    /// too where it is the first that carries a message.
    function requireRunning(
        VariablePart calldata postfund,
        VariablePart calldata running
    ) internal pure returns (AppData memory data) {
        require(!running.isFinal, 'final states are concluded');
        require(running.turnNum > POSTFUND_TURN, 'bad running turnNum');
        data = decoded(running.appData);
        require(data.count == running.turnNum - POSTFUND_TURN, 'bad count');
        require(data.reducerId == bytes32(postfund.appData[:32]), 'reducer changed');
        if (data.count == 1) requireLink(bytes32(0), running, data);
    }

    /// The root of `later` must be that of the state before it and its own message.
    function requireLink(
        bytes32 rootBefore,
        VariablePart calldata later,
        AppData memory data
    ) internal pure {
        bytes32 messageHash = keccak256(lastMessage(later.appData, data));
        require(data.logRoot == keccak256(abi.encode(rootBefore, messageHash)), 'bad log root');
    }

    /// Nothing of the outcome but the two amounts may change, nor their sum.
    function requireSameSum(VariablePart calldata postfund, VariablePart calldata running)
        internal
        pure
    {
        TwoShares.requireSameButAmounts(postfund.outcome, running.outcome);
        (uint256 openedFirst, uint256 openedLast) = TwoShares.amounts(postfund.outcome);
        (uint256 first, uint256 last) = TwoShares.amounts(running.outcome);
        // Checked arithmetic: a sum that does not fit reverts, it does not come around.
        require(first + last == openedFirst + openedLast, 'sum changed');
    }

    /// True when participant `index` signed.
    function isSignedBy(
        RecoveredVariablePart calldata state,
        uint256 index
    ) internal pure returns (bool) {
        return state.signedBy & (uint256(1) << index) != 0;
    }

    function _requireNothingSaid(VariablePart calldata opening) private pure {
        require(!opening.isFinal, 'final states are concluded');
        AppData memory data = decoded(opening.appData);
        require(
            data.logRoot == 0 && data.count == 0 && data.messageSize == 0,
            'an opening carries no message'
        );
    }

    function _isUnanimous(
        FixedPart calldata fixedPart,
        RecoveredVariablePart calldata state
    ) private pure returns (bool) {
        return Consensus.isUnanimous(fixedPart.participants.length, state.signedBy);
    }
}
