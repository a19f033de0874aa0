"""A fake Cloudflare account: an API with in-memory stores that checks every request.

Tests of the command import `fake_account` and `faults`.
"""
