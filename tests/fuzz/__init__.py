"""Fuzzing with schemathesis: requests that the OpenAPI document describes, and invalid ones."""
