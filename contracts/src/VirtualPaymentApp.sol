// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Consensus} from './Consensus.sol';
import {IForceMoveApp} from './IForceMoveApp.sol';
import {NitroHashes} from './NitroHashes.sol';
import {
    Allocation,
    FixedPart,
    RecoveredVariablePart,
    Signature,
    SingleAssetExit
} from './NitroTypes.sol';
import {TwoShares} from './TwoShares.sol';

/// The app of one-way payment channels: the first participant pays the last by signed vouchers.
///
/// Enforceable are the prefund (turn 0) and the postfund (turn 1), signed by all, and a
/// redemption (turn 2), signed by the payee, which carries the payer's voucher in its app data
/// and moves exactly the voucher's amount from the payer's allocation to the payee's. Nothing
/// else of the postfund's outcome may change: see ADR 0030.
contract VirtualPaymentApp is IForceMoveApp {
    uint48 private constant PREFUND_TURN = 0;
    uint48 private constant POSTFUND_TURN = 1;
    uint48 private constant REDEMPTION_TURN = 2;
    uint256 private constant VOUCHER_SIZE = 128;

    /// The payer's promise as it stands in a redemption's app data. Amounts are cumulative.
    struct VoucherAmountAndSignature {
        uint256 amount;
        Signature signature;
    }

    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        if (proof.length == 0) {
            _requireOpening(fixedPart, candidate);
        } else if (proof.length == 1) {
            _requireRedemption(fixedPart, proof[0], candidate);
        } else {
            revert('bad proof length');
        }
        return (true, '');
    }

    function _requireOpening(
        FixedPart calldata fixedPart,
        RecoveredVariablePart calldata candidate
    ) private pure {
        require(_isUnanimous(fixedPart, candidate), '!unanimous; |proof|=0');
        uint48 turnNum = candidate.variablePart.turnNum;
        require(
            turnNum == PREFUND_TURN || turnNum == POSTFUND_TURN,
            'bad candidate turnNum; |proof|=0'
        );
    }

    function _requireRedemption(
        FixedPart calldata fixedPart,
        RecoveredVariablePart calldata postfund,
        RecoveredVariablePart calldata candidate
    ) private pure {
        require(
            postfund.variablePart.turnNum == POSTFUND_TURN,
            'bad proof[0].turnNum; |proof|=1'
        );
        require(_isUnanimous(fixedPart, postfund), 'postfund !unanimous; |proof|=1');
        require(
            candidate.variablePart.turnNum == REDEMPTION_TURN,
            'bad candidate turnNum; |proof|=1'
        );
        require(!candidate.variablePart.isFinal, 'redemption must not be final');
        uint256 payeeBit = uint256(1) << (fixedPart.participants.length - 1);
        require(candidate.signedBy & payeeBit != 0, 'redemption not signed by Bob');

        uint256 amount = _voucherAmount(fixedPart, candidate.variablePart.appData);
        _requireOnlyAmountMoved(
            postfund.variablePart.outcome,
            candidate.variablePart.outcome,
            amount
        );
    }

    /// Cumulative amount of the voucher in `appData`, which the payer must have signed for this
    /// very channel.
    function _voucherAmount(
        FixedPart calldata fixedPart,
        bytes calldata appData
    ) private pure returns (uint256) {
        // Whoever challenges with a redemption pays for all of it: nothing rides along.
        require(appData.length == VOUCHER_SIZE, 'bad voucher length');
        VoucherAmountAndSignature memory voucher = abi.decode(
            appData,
            (VoucherAmountAndSignature)
        );
        bytes32 voucherHash = keccak256(
            abi.encode(NitroHashes.channelId(fixedPart), voucher.amount)
        );
        require(
            NitroHashes.decodedSigner(voucherHash, voucher.signature) == fixedPart.participants[0],
            'invalid signature for voucher'
        );
        return voucher.amount;
    }

    function _requireOnlyAmountMoved(
        SingleAssetExit[] calldata opening,
        SingleAssetExit[] calldata redemption,
        uint256 amount
    ) private pure {
        TwoShares.requireSameButAmounts(opening, redemption);
        Allocation[] calldata before = opening[0].allocations;
        Allocation[] calldata later = redemption[0].allocations;

        uint256 deposit = before[0].amount;
        require(
            amount <= deposit && later[0].amount == deposit - amount,
            'Alice not adjusted correctly'
        );
        require(
            before[1].amount == 0 && later[1].amount == amount,
            'Bob not adjusted correctly'
        );
    }

    function _isUnanimous(
        FixedPart calldata fixedPart,
        RecoveredVariablePart calldata state
    ) private pure returns (bool) {
        return Consensus.isUnanimous(fixedPart.participants.length, state.signedBy);
    }
}
