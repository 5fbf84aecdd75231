// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// A call that its owner prepared, to be made at the worst moment. Tells how it ended.
contract ArmedCall {
    uint8 public constant NOT_MADE = 0;
    uint8 public constant ARMED = 1;
    uint8 public constant REFUSED = 2;
    uint8 public constant SUCCEEDED = 3;

    /// Packed into one slot, so that a receiver with little gas can afford to write it.
    uint8 public ending;
    address private _target;
    bytes private _data;

    function arm(address target, bytes calldata data) external {
        _target = target;
        _data = data;
        ending = ARMED;
    }

    function _strike() internal {
        if (ending != ARMED) return;
        (bool success, ) = _target.call(_data);
        ending = success ? SUCCEEDED : REFUSED;
    }
}
