"""A tenant's script in Python: returns the request and the Python implementation."""

import platform
from typing import Any
from urllib.parse import urlsplit

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """The script's only entrypoint."""

    async def fetch(self, request: Any) -> Response:
        """Return the request as JSON."""
        url = urlsplit(request.url)
        seen = {"method": request.method, "path": url.path, "query": url.query}
        seen |= {"body": await request.text(), "python": platform.python_implementation()}
        return Response.json(seen)
