"""Tenants: their directory, their records, and the limits of their APIs.

Packages above import `directory` (look-ups by host and slug), `records` (a tenant and its
parser), `admission` (reserves and releases limits) and `limit_headers` (names to expose).
Tools also parse records with `fields` and `limits`.
"""
