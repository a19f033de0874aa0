"""The Worker's entrypoint."""

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Answers every request."""

    async def fetch(self, request: object) -> Response:
        """Answer `request` with a greeting."""
        return Response.json({"ok": True, "service": "clawr-dispatcher"})
