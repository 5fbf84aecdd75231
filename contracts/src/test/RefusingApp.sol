// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMoveApp} from '../IForceMoveApp.sol';
import {FixedPart, RecoveredVariablePart} from '../NitroTypes.sol';

/// Refuses every state by its answer, where the other apps refuse by reverting.
contract RefusingApp is IForceMoveApp {
    function stateIsSupported(
        FixedPart calldata,
        RecoveredVariablePart[] calldata,
        RecoveredVariablePart calldata
    ) external pure override returns (bool, string memory) {
        return (false, 'this app supports nothing');
    }
}
