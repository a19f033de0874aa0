"""Extensions of x402 beside the payment itself.

- `bazaar`: tells indexers how an endpoint is called
- `responses`: what facilitators say about the extensions of payments
"""
