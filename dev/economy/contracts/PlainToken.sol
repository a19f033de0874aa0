// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// A dollar token with 18 decimals and nothing but ERC-20: it can be paid with Permit2 only.
///
/// As of Token, no constructor is run.
contract PlainToken {
    string public constant name = "Plain Dollar";
    string public constant symbol = "PUSD";
    uint8 public constant decimals = 18;

    /// As of Token.
    address public constant issuer = 0xa0Ee7A142d267C1f36714E4a8F75612F20a79720;

    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    function mint(address to, uint256 value) external returns (bool) {
        require(msg.sender == issuer, "only the issuer mints");
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
        return true;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        // Fails if it is more than allowed.
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) private {
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}
