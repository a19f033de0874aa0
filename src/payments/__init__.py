"""x402 payments: what a request costs, and how its payment is verified, claimed and settled.

The gateway uses `flow` (the steps of one payment), `models` (the values they exchange),
`requirements` (price, token and payee of a request) and `responses` (receipts). Scheduled work uses
`resolution` (payments whose outcome is unknown) and `reconciliation` (the ledger compared with
KV). The API shows what `ledger`, `facilitator` and `chain` report. `errors` has the errors of
a paid request; `payload` and `settlement` are for this package only.
"""
