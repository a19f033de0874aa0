"""Answers, and nothing else, by the SDK's entrypoint."""

from typing import Any

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """What Cloudflare calls."""

    async def fetch(self, _request: Any) -> Any:
        """Answer one request."""
        return Response("empty")
