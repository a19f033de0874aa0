"""Deploys this clone's dispatcher to a Cloudflare account. Entry point: `run.deploy`.

    request ──► resources, configuration ──► bundle ──► plan ──► execution ──► inspection

A dry run ends with `plan`, which only reads from the account; `execution` carries a plan out.
wrangler builds and uploads the Worker; the official SDK reads what is deployed.
"""
