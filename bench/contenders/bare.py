"""(b) Python without the SDK's entrypoint: forwards the request and returns the response."""

from typing import Any


async def on_fetch(request: Any, env: Any, _context: Any) -> Any:
    """Handle a request."""
    return await env.DISPATCHER.get("echo").fetch(request)
