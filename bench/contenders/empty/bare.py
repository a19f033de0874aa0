"""A Worker that only responds, without the SDK's entrypoint."""

from typing import Any

import js


async def on_fetch(_request: Any, _env: Any, _context: Any) -> Any:
    """Handle a request."""
    return js.Response.new("empty")
