// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ArmedCall} from './ArmedCall.sol';

/// Calls back when it is paid, and keeps the money whatever the answer.
contract ReentrantReceiver is ArmedCall {
    receive() external payable {
        _strike();
    }
}
