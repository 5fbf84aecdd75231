// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AppData, AppStates} from './AppStates.sol';
import {IForceMoveApp} from './IForceMoveApp.sol';
import {FixedPart, RecoveredVariablePart, VariablePart} from './NitroTypes.sol';

/// The app of channels whose messages a reducer judges off chain.
///
/// Enforceable are the prefund (turn 0) and the postfund (turn 1), signed by all, and running
/// states (turn 2 and above), signed by the first and the last participant, with the postfund as
/// proof. What a message means is not looked at: both ends signed what it led to. See ADR 0080.
contract MessageLogApp is IForceMoveApp {
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
        AppData memory data = _requireAgreed(fixedPart, postfund, candidate);
        if (proof.length == 2) {
            AppData memory dataBefore = _requireAgreed(fixedPart, postfund, proof[1]);
            require(dataBefore.count + 1 == data.count, 'bad proof[1].turnNum');
            AppStates.requireLink(dataBefore.logRoot, candidate.variablePart, data);
        }
        return (true, '');
    }

    /// A running state that both ends signed.
    function _requireAgreed(
        FixedPart calldata fixedPart,
        VariablePart calldata postfund,
        RecoveredVariablePart calldata running
    ) private pure returns (AppData memory data) {
        require(
            AppStates.isSignedBy(running, 0) &&
                AppStates.isSignedBy(running, fixedPart.participants.length - 1),
            'not signed by both ends'
        );
        data = AppStates.requireRunning(postfund, running.variablePart);
        AppStates.requireSameSum(postfund, running.variablePart);
    }
}
