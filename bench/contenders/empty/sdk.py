"""A Worker that only responds, with the SDK's entrypoint."""

from typing import Any

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """The entrypoint."""

    async def fetch(self, _request: Any) -> Any:
        """Handle a request."""
        return Response("empty")
