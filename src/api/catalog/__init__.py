"""The catalog for agents and crawlers, at the dispatcher's own host: docs/agents.md.

`gateway` may import `route`, `api.routes` may import `routes`, and the pages of APIs may import
`structured_data`. The others are internal.
"""
