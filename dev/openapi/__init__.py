"""Writes `docs/reference/api.md` from the OpenAPI document and from recorded examples."""
