"""(c) The SDK's entrypoint, and nothing else: hands the request on, and the answer back."""

from typing import Any

from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    """What Cloudflare calls."""

    async def fetch(self, request: Any) -> Any:
        """Answer one request."""
        return await self.env.DISPATCHER.get("echo").fetch(request.js_object)
