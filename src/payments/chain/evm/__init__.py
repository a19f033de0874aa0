"""EVM networks: payments by EIP-3009, the functions of `families.ChainFamily`."""

from payments.chain.evm.authorization import read_authorization
from payments.chain.evm.calls import check_chain
from payments.chain.evm.outcome import find_outcome
from payments.chain.evm.token import token_differences

__all__ = ["check_chain", "find_outcome", "read_authorization", "token_differences"]
