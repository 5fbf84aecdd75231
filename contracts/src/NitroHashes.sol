// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FixedPart, Signature, SingleAssetExit, VariablePart} from './NitroTypes.sol';

/// The hashes everything off chain must reproduce byte for byte, and the recovery of signers.
library NitroHashes {
    function channelId(FixedPart calldata fixedPart) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    fixedPart.participants,
                    fixedPart.channelNonce,
                    fixedPart.appDefinition,
                    fixedPart.challengeDuration
                )
            );
    }

    function stateHash(
        bytes32 channel,
        VariablePart calldata variablePart
    ) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    channel,
                    variablePart.appData,
                    variablePart.outcome,
                    variablePart.turnNum,
                    variablePart.isFinal
                )
            );
    }

    function outcomeHash(SingleAssetExit[] memory outcome) internal pure returns (bytes32) {
        return keccak256(abi.encode(outcome));
    }

    function signedOutcomeHash(SingleAssetExit[] calldata outcome) internal pure returns (bytes32) {
        return keccak256(abi.encode(outcome));
    }

    /// Recovers who signed `hash` under the EIP-191 prefix. A signature that recovers nobody
    /// reverts, so the zero address never counts as a signer.
    function signer(bytes32 hash, Signature memory signature) internal pure returns (address) {
        bytes32 digest = keccak256(abi.encodePacked('\x19Ethereum Signed Message:\n32', hash));
        address recovered = ecrecover(digest, signature.v, signature.r, signature.s);
        require(recovered != address(0), 'Invalid signature');
        return recovered;
    }
}
