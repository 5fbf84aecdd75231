// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// One word per channel: turnNumRecord (48 bits), finalizesAt (48 bits, chain seconds) and the
/// fingerprint (160 bits) of the state and outcome that stand. A zero word is a channel never
/// seen. A finalised word is never deleted: the channel could be challenged anew (ADR 0032).
abstract contract StatusWords {
    enum ChannelMode {
        Open,
        Challenge,
        Finalized
    }

    mapping(bytes32 => bytes32) public statusOf;

    function unpackStatus(
        bytes32 channelId
    ) external view returns (uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint) {
        return _unpack(statusOf[channelId]);
    }

    function _unpack(
        bytes32 status
    ) internal pure returns (uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint) {
        uint256 word = uint256(status);
        turnNumRecord = uint48(word >> 208);
        finalizesAt = uint48(word >> 160);
        fingerprint = uint160(word);
    }

    function _pack(
        uint48 turnNumRecord,
        uint48 finalizesAt,
        uint160 fingerprint
    ) internal pure returns (bytes32) {
        return
            bytes32(
                (uint256(turnNumRecord) << 208) | (uint256(finalizesAt) << 160) | fingerprint
            );
    }

    function _fingerprint(
        bytes32 stateHash,
        bytes32 outcomeHash
    ) internal pure returns (uint160) {
        return uint160(uint256(keccak256(abi.encode(stateHash, outcomeHash))));
    }

    function _mode(uint48 finalizesAt) internal view returns (ChannelMode) {
        if (finalizesAt == 0) return ChannelMode.Open;
        return finalizesAt <= block.timestamp ? ChannelMode.Finalized : ChannelMode.Challenge;
    }

    function _requireNotFinalized(uint48 finalizesAt) internal view {
        require(_mode(finalizesAt) != ChannelMode.Finalized, 'Channel finalized.');
    }

    /// The status word of a finalised channel.
    function _requireFinalized(bytes32 channelId) internal view returns (bytes32 status) {
        status = statusOf[channelId];
        (, uint48 finalizesAt, ) = _unpack(status);
        require(_mode(finalizesAt) == ChannelMode.Finalized, 'Channel not finalized.');
    }
}
