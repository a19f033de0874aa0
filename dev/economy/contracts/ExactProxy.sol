// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Permit2, PermitTransferFrom, SignatureTransferDetails} from "./Permit2.sol";

/// What x402's proxy for the scheme `exact` does with Permit2: anyone may have the signed amount
/// moved, to the signed payee.
contract ExactProxy {
    struct Witness {
        address to;
        uint256 validAfter;
    }

    Permit2 public constant PERMIT2 = Permit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);
    bytes32 public constant WITNESS_TYPEHASH = keccak256("Witness(address to,uint256 validAfter)");
    string public constant WITNESS_TYPE_STRING =
        "Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,uint256 validAfter)";

    event Settled();

    error InvalidDestination();
    error PaymentTooEarly();

    function settle(
        PermitTransferFrom calldata permit,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external {
        if (witness.to == address(0)) {
            revert InvalidDestination();
        }
        if (block.timestamp < witness.validAfter) {
            revert PaymentTooEarly();
        }
        PERMIT2.permitWitnessTransferFrom(
            permit,
            SignatureTransferDetails(witness.to, permit.permitted.amount),
            owner,
            keccak256(abi.encode(WITNESS_TYPEHASH, witness)),
            WITNESS_TYPE_STRING,
            signature
        );
        emit Settled();
    }
}
