// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Unanimity as a bit mask, shared by the adjudicator and the apps.
library Consensus {
    /// One bit per participant and one to spare, so that the mask of all never wraps to zero.
    uint256 internal constant PARTICIPANT_COUNT_MAX = 255;

    /// True when the participants, all of them, are in `signedBy`. Nobody is not everybody: a
    /// channel without participants has no unanimous state.
    function isUnanimous(uint256 participantCount, uint256 signedBy) internal pure returns (bool) {
        return participantCount != 0 && signedBy == (uint256(1) << participantCount) - 1;
    }
}
