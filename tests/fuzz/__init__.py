"""Schemathesis tries everything that the OpenAPI document describes, and much that it does not."""
