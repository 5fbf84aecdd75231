// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestToken} from '../TestToken.sol';

/// Takes one unit of every transfer for itself.
contract FeeToken is TestToken {
    function _move(address from, address to, uint256 amount) internal override {
        super._move(from, address(this), 1);
        super._move(from, to, amount - 1);
    }
}
