// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Consensus} from './Consensus.sol';
import {IForceMoveApp} from './IForceMoveApp.sol';
import {FixedPart, RecoveredVariablePart} from './NitroTypes.sol';

/// The app of ledger channels: a state counts when everybody signed it, and nothing else does.
contract ConsensusApp is IForceMoveApp {
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        require(proof.length == 0, '|proof|!=0');
        require(
            Consensus.isUnanimous(fixedPart.participants.length, candidate.signedBy),
            '!unanimous'
        );
        return (true, '');
    }
}
