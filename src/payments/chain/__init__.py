"""What differs between the chains that payments are made on.

`families` has one interface, which `evm` and `svm` (Solana) implement: what a payer signs, what a
node proves of a payment, and how a token is compared with the settings. `queries` asks the node of
a payment's network, `node` is the client of nodes, and `fee_payers` adds to payment requirements
the account that pays a network's fee.
"""
