"""An emulation of Cloudflare's REST API, version 4.

`make dev` serves it on top of the running dispatcher (`local`). The tests serve it from memory
and check every request (`tests/cloudflare`). Both share the routes (`routes`), the parsing of
uploads (`scripts`), the responses and errors (`responses`) and the access check (`gate`); they
implement the stores in `ports`.

The API itself: https://developers.cloudflare.com/api/
"""
