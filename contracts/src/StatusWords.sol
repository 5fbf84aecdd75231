// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// One word per channel: turnNumRecord (48 bits), finalizesAt (48 bits, chain seconds) and the
/// fingerprint (160 bits) of the state and outcome that stand. A zero word is a channel never
/// seen. A finalised word is never deleted: the channel could be challenged anew (ADR 0032).
///
/// A payout leaves the fingerprint with which the channel finalised in its word, sets the word's
/// paid bit, and writes what stands now beside it: zero when nothing is left to pay, so that a
/// channel paid at once takes no second slot (ADR 0060).
abstract contract StatusWords {
    enum ChannelMode {
        Open,
        Challenge,
        Finalized
    }

    /// The fingerprint of two zero hashes: no state stands.
    uint160 internal constant NO_STATE =
        uint160(uint256(keccak256(abi.encode(bytes32(0), bytes32(0)))));

    /// The highest bit of finalizesAt. No time of finalisation reaches it.
    uint256 private constant PAID = 1 << 207;
    uint256 private constant FINALIZES_AT_END = 1 << 47;

    /// The word of each channel; its fingerprint is that of finalisation once it is paid.
    mapping(bytes32 => uint256) private _words;

    /// The fingerprint that stands in a channel that is paid; zero when nothing is left.
    mapping(bytes32 => uint160) private _paidFingerprints;

    function statusOf(bytes32 channelId) public view returns (bytes32) {
        (uint48 turnNumRecord, uint48 finalizesAt, ) = _unpack(_words[channelId]);
        return bytes32(_pack(turnNumRecord, finalizesAt, _standing(channelId, _words[channelId])));
    }

    function unpackStatus(
        bytes32 channelId
    ) external view returns (uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint) {
        return _unpack(uint256(statusOf(channelId)));
    }

    /// The fingerprint a finalised channel had before its first payout changed it; zero until
    /// then. Reclaim judges a target by it, whoever paid what out of the target since (ADR 0032).
    function firstFingerprintOf(bytes32 channelId) external view returns (uint160) {
        uint256 word = _words[channelId];
        return word & PAID == 0 ? 0 : uint160(word);
    }

    function _word(bytes32 channelId) internal view returns (uint256) {
        return _words[channelId];
    }

    function _setWord(bytes32 channelId, uint256 word) internal {
        _words[channelId] = word;
    }

    /// The fingerprint of the state and outcome that stand under `word`.
    function _standing(bytes32 channelId, uint256 word) internal view returns (uint160) {
        return word & PAID == 0 ? uint160(word) : _paidFingerprints[channelId];
    }

    /// Puts another fingerprint under `word`; what the channel finalised with is kept.
    function _setPaid(bytes32 channelId, uint256 word, uint160 fingerprint) internal {
        if (word & PAID == 0) _words[channelId] = word | PAID;
        // The slot of a channel that was not paid yet is zero already.
        if (fingerprint != 0 || word & PAID != 0) _paidFingerprints[channelId] = fingerprint;
    }

    /// Undoes what `_setPaid` did to a channel that stood so.
    function _setUnpaid(bytes32 channelId, uint256 word, uint160 fingerprint) internal {
        _words[channelId] = word;
        _paidFingerprints[channelId] = word & PAID == 0 ? 0 : fingerprint;
    }

    /// Puts another fingerprint under `word` where the one of finalisation need not be kept.
    function _setReclaimed(bytes32 channelId, uint256 word, uint160 fingerprint) internal {
        if (word & PAID == 0) {
            _words[channelId] = (word >> 160 << 160) | fingerprint;
        } else {
            _paidFingerprints[channelId] = fingerprint;
        }
    }

    function _unpack(
        uint256 word
    ) internal pure returns (uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint) {
        turnNumRecord = uint48(word >> 208);
        finalizesAt = uint48((word & ~PAID) >> 160);
        fingerprint = uint160(word);
    }

    function _pack(
        uint48 turnNumRecord,
        uint48 finalizesAt,
        uint160 fingerprint
    ) internal pure returns (uint256) {
        return (uint256(turnNumRecord) << 208) | (uint256(finalizesAt) << 160) | fingerprint;
    }

    /// When a challenge made now ends.
    function _deadline(uint48 challengeDuration) internal view returns (uint48) {
        uint256 finalizesAt = block.timestamp + challengeDuration;
        require(finalizesAt < FINALIZES_AT_END, 'Challenge never ends');
        return uint48(finalizesAt);
    }

    function _fingerprint(bytes32 stateHash, bytes32 outcomeHash) internal pure returns (uint160) {
        return uint160(uint256(keccak256(abi.encode(stateHash, outcomeHash))));
    }

    function _mode(uint48 finalizesAt) internal view returns (ChannelMode) {
        if (finalizesAt == 0) return ChannelMode.Open;
        return finalizesAt <= block.timestamp ? ChannelMode.Finalized : ChannelMode.Challenge;
    }

    function _requireNotFinalized(uint48 finalizesAt) internal view {
        require(_mode(finalizesAt) != ChannelMode.Finalized, 'Channel finalized.');
    }

    /// The word of a finalised channel.
    function _requireFinalized(bytes32 channelId) internal view returns (uint256 word) {
        word = _words[channelId];
        (, uint48 finalizesAt, ) = _unpack(word);
        require(_mode(finalizesAt) == ChannelMode.Finalized, 'Channel not finalized.');
    }
}
