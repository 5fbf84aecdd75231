// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Consensus} from './Consensus.sol';
import {IForceMoveApp} from './IForceMoveApp.sol';
import {NitroHashes} from './NitroHashes.sol';
import {
    FixedPart,
    RecoveredVariablePart,
    Signature,
    SignedVariablePart
} from './NitroTypes.sol';
import {NonReentrant} from './NonReentrant.sol';
import {OutcomeMaths} from './OutcomeMaths.sol';
import {StatusWords} from './StatusWords.sol';

/// How a channel's last word gets on chain: alone by challenge, in defence by checkpoint, and
/// together by conclude. Knows nothing of money.
abstract contract ForceMove is StatusWords, NonReentrant {
    event ChallengeRegistered(
        bytes32 indexed channelId,
        uint48 finalizesAt,
        SignedVariablePart[] proof,
        SignedVariablePart candidate
    );
    event ChallengeCleared(bytes32 indexed channelId, uint48 newTurnNumRecord);
    event Checkpointed(bytes32 indexed channelId, uint48 newTurnNumRecord);
    event Concluded(bytes32 indexed channelId, uint48 finalizesAt);

    /// Ours (ADR 0068): what the checkpoint was made with. Who signed that state without an answer
    /// takes the others' signatures from here, and can challenge with it.
    event CheckpointSigned(
        bytes32 indexed channelId,
        uint48 turnNum,
        bytes32 stateHash,
        Signature[] sigs
    );

    /// Ours (ADR 0069): a checkpoint whose candidate needed a proof, with all that somebody else
    /// needs to challenge with that candidate. Not everybody signed it, so not everybody has it.
    event CheckpointProved(
        bytes32 indexed channelId,
        SignedVariablePart[] proof,
        SignedVariablePart candidate
    );

    /// Ours (ADR 0072): with what the channel was concluded: the amount of every allocation, asset by
    /// asset, in the outcome's order. Who holds another final state, or none, knows by it what stands.
    event OutcomeConcluded(bytes32 indexed channelId, uint256[] amounts);

    /// Asks the channel's app; signatures are recovered here. A dry run of challenge.
    function stateIsSupported(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) external view returns (bool, string memory) {
        bytes32 channelId = NitroHashes.channelId(fixedPart);
        bytes32 stateHash = NitroHashes.stateHash(channelId, candidate.variablePart);
        return _askApp(channelId, fixedPart, proof, candidate, stateHash);
    }

    /// Registers `candidate` and starts the clock (again). A running challenge is outranked only
    /// by a higher turn. Anyone may send it, but a participant must have signed the wish.
    function challenge(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate,
        Signature calldata challengerSig
    ) external nonReentrant {
        bytes32 channelId = NitroHashes.channelId(fixedPart);
        _requireTurnForChallenge(channelId, candidate.variablePart.turnNum);
        (bytes32 stateHash, bytes32 outcomeHash) = _requireSupported(
            channelId,
            fixedPart,
            proof,
            candidate
        );
        _requireChallengerIsParticipant(stateHash, fixedPart.participants, challengerSig);

        uint48 finalizesAt = _deadline(fixedPart.challengeDuration);
        uint48 turnNum = candidate.variablePart.turnNum;
        _setWord(channelId, _pack(turnNum, finalizesAt, _fingerprint(stateHash, outcomeHash)));
        emit ChallengeRegistered(channelId, finalizesAt, proof, candidate);
    }

    /// Raises the turn number record with a supported state and stops a running challenge. No
    /// state stands then: the fingerprint is that of two zero hashes.
    function checkpoint(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) external nonReentrant {
        bytes32 channelId = NitroHashes.channelId(fixedPart);
        uint48 turnNum = candidate.variablePart.turnNum;
        (uint48 turnNumRecord, uint48 finalizesAt, ) = _unpack(_word(channelId));
        _requireNotFinalized(finalizesAt);
        require(turnNum > turnNumRecord, 'turnNumRecord not increased.');
        (bytes32 stateHash, ) = _requireSupported(channelId, fixedPart, proof, candidate);

        _setWord(channelId, _pack(turnNum, 0, NO_STATE));
        if (finalizesAt != 0) {
            emit ChallengeCleared(channelId, turnNum);
        } else {
            emit Checkpointed(channelId, turnNum);
        }
        if (proof.length == 0) {
            emit CheckpointSigned(channelId, turnNum, stateHash, candidate.sigs);
        } else {
            emit CheckpointProved(channelId, proof, candidate);
        }
    }

    /// Finalises the channel at once with a final state that everybody signed.
    function conclude(
        FixedPart calldata fixedPart,
        SignedVariablePart calldata candidate
    ) external nonReentrant {
        _conclude(fixedPart, candidate);
    }

    function _conclude(
        FixedPart calldata fixedPart,
        SignedVariablePart calldata candidate
    ) internal returns (bytes32 channelId, uint256 word) {
        channelId = NitroHashes.channelId(fixedPart);
        (, uint48 finalizesAt, ) = _unpack(_word(channelId));
        _requireNotFinalized(finalizesAt);
        require(candidate.variablePart.isFinal, 'State must be final');
        (bytes32 stateHash, bytes32 outcomeHash) = NitroHashes.stateAndOutcomeHash(
            channelId,
            candidate.variablePart
        );
        require(
            Consensus.isUnanimous(
                fixedPart.participants.length,
                _signedBy(fixedPart.participants, stateHash, candidate.sigs)
            ),
            '!unanimous'
        );

        finalizesAt = uint48(block.timestamp);
        word = _pack(0, finalizesAt, _fingerprint(bytes32(0), outcomeHash));
        _setWord(channelId, word);
        emit Concluded(channelId, finalizesAt);
        emit OutcomeConcluded(channelId, OutcomeMaths.amountsOf(candidate.variablePart.outcome));
    }

    function _requireTurnForChallenge(bytes32 channelId, uint48 turnNum) private view {
        (uint48 turnNumRecord, uint48 finalizesAt, ) = _unpack(_word(channelId));
        _requireNotFinalized(finalizesAt);
        if (finalizesAt == 0) {
            require(turnNum >= turnNumRecord, 'turnNumRecord decreased.');
        } else {
            require(turnNum > turnNumRecord, 'turnNumRecord not increased.');
        }
    }

    /// Hashes of `candidate`, which the app must support, and of its outcome.
    function _requireSupported(
        bytes32 channelId,
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) private view returns (bytes32 stateHash, bytes32 outcomeHash) {
        (stateHash, outcomeHash) = NitroHashes.stateAndOutcomeHash(
            channelId,
            candidate.variablePart
        );
        (bool supported, string memory reason) = _askApp(
            channelId,
            fixedPart,
            proof,
            candidate,
            stateHash
        );
        require(supported, reason);
    }

    function _askApp(
        bytes32 channelId,
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate,
        bytes32 stateHash
    ) private view returns (bool, string memory) {
        RecoveredVariablePart[] memory recovered = new RecoveredVariablePart[](proof.length);
        for (uint256 i = 0; i < proof.length; i++) {
            recovered[i] = _recover(
                fixedPart.participants,
                proof[i],
                NitroHashes.stateHash(channelId, proof[i].variablePart)
            );
        }
        return
            IForceMoveApp(fixedPart.appDefinition).stateIsSupported(
                fixedPart,
                recovered,
                _recover(fixedPart.participants, candidate, stateHash)
            );
    }

    function _recover(
        address[] calldata participants,
        SignedVariablePart calldata signed,
        bytes32 stateHash
    ) private pure returns (RecoveredVariablePart memory) {
        return
            RecoveredVariablePart({
                variablePart: signed.variablePart,
                signedBy: _signedBy(participants, stateHash, signed.sigs)
            });
    }

    /// The set of participants who signed. Order does not matter, repetition adds nothing, and a
    /// signature of somebody else is ignored.
    function _signedBy(
        address[] calldata participants,
        bytes32 stateHash,
        Signature[] calldata signatures
    ) private pure returns (uint256 signedBy) {
        require(
            participants.length <= Consensus.PARTICIPANT_COUNT_MAX,
            'Too many participants'
        );
        uint256 participantCount = participants.length;
        for (uint256 i = 0; i < signatures.length; i++) {
            address signer = NitroHashes.signer(stateHash, signatures[i]);
            for (uint256 j = 0; j < participantCount; j++) {
                if (participants[j] == signer) {
                    signedBy |= uint256(1) << j;
                    break;
                }
            }
        }
    }

    function _requireChallengerIsParticipant(
        bytes32 stateHash,
        address[] calldata participants,
        Signature calldata challengerSig
    ) private pure {
        address challenger = NitroHashes.signer(
            keccak256(abi.encode(stateHash, 'forceMove')),
            challengerSig
        );
        for (uint256 i = 0; i < participants.length; i++) {
            if (participants[i] == challenger) return;
        }
        revert('Challenger is not a participant');
    }
}
