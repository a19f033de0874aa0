"""The OpenAPI document is valid, complete, and what the dispatcher does."""

from __future__ import annotations
