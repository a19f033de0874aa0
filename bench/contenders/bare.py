"""(b) Python without the SDK's entrypoint: hands the request on, and the answer back."""

from typing import Any


async def on_fetch(request: Any, env: Any, _context: Any) -> Any:
    """Answer one request."""
    return await env.DISPATCHER.get("echo").fetch(request)
