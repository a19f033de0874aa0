"""Brings the dispatcher of this clone to a Cloudflare account.

    request ──► resources, configuration ──► bundle ──► plan ──► execution ──► inspection

`plan` is all that a dry run does, and asks the account without changing it; `execution` does
what a plan says. wrangler builds and uploads; what is deployed is read by the official SDK.
"""
