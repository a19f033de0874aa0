"""(c) Only the SDK's entrypoint: forwards the request and returns the response."""

from typing import Any

from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    """The entrypoint."""

    async def fetch(self, request: Any) -> Any:
        """Handle a request."""
        return await self.env.DISPATCHER.get("echo").fetch(request.js_object)
