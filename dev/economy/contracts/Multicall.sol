// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// The one function of Multicall3 that the facilitator uses to find out why a transfer would
/// fail. Without it at Multicall3's address the reasons it gives are vaguer.
contract Multicall {
    struct Call {
        address target;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    function tryAggregate(bool requireSuccess, Call[] calldata calls)
        external
        payable
        returns (Result[] memory results)
    {
        results = new Result[](calls.length);
        for (uint256 index = 0; index < calls.length; index++) {
            (bool success, bytes memory returned) = calls[index].target.call(calls[index].callData);
            require(success || !requireSuccess, "Multicall3: call failed");
            results[index] = Result(success, returned);
        }
    }
}
