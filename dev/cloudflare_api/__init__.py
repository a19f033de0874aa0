"""Cloudflare's own REST API, version 4, answered on this machine.

Two things are built from these modules: the local API of `make dev`, which stores what it is
sent where the running dispatcher finds it, and the stand-in of the tests, which keeps it in
memory and checks every request (`tests/cloudflare`). The routes and their rules are written
once; what differs is behind the ports in `dev.cloudflare_api.ports`.

The API itself: https://developers.cloudflare.com/api/
"""
