"""Solana: payments by a signed transaction, the functions of `families.ChainFamily`."""

from payments.chain.svm.authorization import read_authorization
from payments.chain.svm.calls import check_chain
from payments.chain.svm.outcome import find_outcome
from payments.chain.svm.token import token_differences

__all__ = ["check_chain", "find_outcome", "read_authorization", "token_differences"]
