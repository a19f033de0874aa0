"""The catalog for agents and indexers, at the dispatcher's own host: `/openapi.json`.

`gateway` may import `route`; `document` is internal.
"""
