"""Estimates what a dispatcher costs at Cloudflare. Entry point: `estimate.estimate`.

    traffic ──► usage_log, estimate (quantities a month) ──► prices ──► show

Everything is computed from the dispatcher's constants and a table of prices; no account is needed.
`scale` computes the numbers of docs/scale.md in the same way.
"""
