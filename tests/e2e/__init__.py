"""Tests of the whole dispatcher under `wrangler dev`, over HTTP."""
