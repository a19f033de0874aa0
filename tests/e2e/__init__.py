"""Promises kept by the whole dispatcher under `wrangler dev`, asked over HTTP."""
