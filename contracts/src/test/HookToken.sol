// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestToken} from '../TestToken.sol';
import {ArmedCall} from './ArmedCall.sol';

/// Calls somebody before it moves anything, as tokens with sender hooks do.
contract HookToken is TestToken, ArmedCall {
    function _move(address from, address to, uint256 amount) internal override {
        _strike();
        super._move(from, to, amount);
    }
}
