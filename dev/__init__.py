"""Local development; nothing in this package is deployed.

`setup` installs what the Makefile's targets need, with the standard library alone. `launch`
runs the dispatcher, `demo` and `history` give it traffic, `economy` is a local x402 chain and
facilitator, `cloudflare_api` emulates Cloudflare's API, and `check` is `make check`.
"""
