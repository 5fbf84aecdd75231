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
        return keccak256(_encoded(channel, variablePart));
    }

    /// The hashes of a state and of its outcome, encoded once. The outcome's encoding ends the
    /// state's; alone it has nothing before it but its offset, 32.
    function stateAndOutcomeHash(
        bytes32 channel,
        VariablePart calldata variablePart
    ) internal pure returns (bytes32 ofState, bytes32 ofOutcome) {
        bytes memory encoded = _encoded(channel, variablePart);
        ofState = keccak256(encoded);
        assembly ('memory-safe') {
            // The outcome's offset is the third word. The word before the outcome is spent.
            let start := add(encoded, mload(add(encoded, 0x60)))
            let end := add(add(encoded, 0x20), mload(encoded))
            mstore(start, 0x20)
            ofOutcome := keccak256(start, sub(end, start))
        }
    }

    function outcomeHash(SingleAssetExit[] memory outcome) internal pure returns (bytes32) {
        return keccak256(abi.encode(outcome));
    }

    function signedOutcomeHash(SingleAssetExit[] calldata outcome) internal pure returns (bytes32) {
        return keccak256(abi.encode(outcome));
    }

    /// Recovers who signed `hash` under the EIP-191 prefix. A signature that recovers nobody
    /// reverts, so the zero address never counts as a signer.
    function signer(
        bytes32 hash,
        Signature calldata signature
    ) internal pure returns (address recovered) {
        return _recover(hash, signature.v, signature.r, signature.s);
    }

    /// The same for a signature out of app data.
    function decodedSigner(
        bytes32 hash,
        Signature memory signature
    ) internal pure returns (address recovered) {
        return _recover(hash, signature.v, signature.r, signature.s);
    }

    function _recover(bytes32 hash, uint8 v, bytes32 r, bytes32 s) private pure returns (address) {
        bytes32 digest;
        assembly ('memory-safe') {
            mstore(0, '\x19Ethereum Signed Message:\n32')
            mstore(0x1c, hash)
            digest := keccak256(0, 0x3c)
        }
        address recovered = ecrecover(digest, v, r, s);
        require(recovered != address(0), 'Invalid signature');
        return recovered;
    }

    function _encoded(
        bytes32 channel,
        VariablePart calldata variablePart
    ) private pure returns (bytes memory) {
        return
            abi.encode(
                channel,
                variablePart.appData,
                variablePart.outcome,
                variablePart.turnNum,
                variablePart.isFinal
            );
    }
}
