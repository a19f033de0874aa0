"""A tenant's script in Python: says what it was asked, and which Python that was."""

import platform
from typing import Any
from urllib.parse import urlsplit

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """The script's only entrypoint."""

    async def fetch(self, request: Any) -> Response:
        """Answer any request."""
        url = urlsplit(request.url)
        seen = {"method": request.method, "path": url.path, "query": url.query}
        seen |= {"body": await request.text(), "python": platform.python_implementation()}
        return Response.json(seen)
