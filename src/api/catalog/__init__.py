"""The catalog for agents and crawlers, at the dispatcher's own host: docs/agents.md.

`gateway` may import `route`, and `api.routes` may import `routes`. The others are internal.
"""
