"""Routes for static assets; existing files are not uploaded again.

https://developers.cloudflare.com/workers/static-assets/direct-upload/
"""

import base64
import json
from typing import Any
from uuid import uuid4

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.responses import InvalidError, UnauthorizedError, json_object, success

FILES_MAX = 1_000
BUCKET_FILES = 3
"""Files per upload request; few, so that tests have several buckets."""


class AssetRoutes:
    """The routes of assets, and the uploaded files."""

    def __init__(self) -> None:
        """Start without files."""
        self.files: dict[str, bytes] = {}
        """Content by hash."""
        self.manifests: dict[str, dict[str, Any]] = {}
        """The manifest of each completed upload, by completion token."""
        self._sessions: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        """Return the routes."""
        account = "/accounts/{account}/workers"
        session = "scripts/{script}/assets-upload-session"
        return [
            Route(f"{account}/{session}", self.open_session, methods=["POST"]),
            Route(
                f"{account}/dispatch/namespaces/{{namespace}}/{session}",
                self.open_session,
                methods=["POST"],
            ),
            Route(f"{account}/assets/upload", self.upload, methods=["POST"]),
        ]

    async def open_session(self, request: Request) -> Response:
        """Return the files of a manifest that must be uploaded."""
        manifest = (await json_object(request)).get("manifest")
        if not isinstance(manifest, dict):
            raise InvalidError("manifest must be an object.")
        wanted = sorted({one["hash"] for one in manifest.values()} - self.files.keys())
        token = make_token()
        self._sessions[token] = manifest
        if not wanted:
            return success({"jwt": self._completed(token), "buckets": []})
        starts = range(0, len(wanted), BUCKET_FILES)
        buckets = [wanted[start : start + BUCKET_FILES] for start in starts]
        return success({"jwt": token, "buckets": buckets})

    async def upload(self, request: Request) -> Response:
        """Store files; return a completion token when all are uploaded."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        manifest = self._sessions.get(token)
        if manifest is None:
            raise UnauthorizedError("The upload's token belongs to no session.")
        async with request.form(max_files=FILES_MAX, max_fields=FILES_MAX) as form:
            for name, part in form.multi_items():
                content = await part.read() if isinstance(part, UploadFile) else part.encode()
                self.files[name] = base64.b64decode(content, validate=True)
        if {one["hash"] for one in manifest.values()} <= self.files.keys():
            return success({"jwt": self._completed(token)}, status=201)
        return success({}, status=202)

    def _completed(self, token: str) -> str:
        completion = make_token()
        self.manifests[completion] = self._sessions[token]
        return completion


def make_token() -> str:
    """Return a token in the form of a JWT, whose payload wrangler reads."""
    parts = [{"alg": "none"}, {"id": uuid4().hex, "exp": 4_102_444_800}]
    encoded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    ]
    return ".".join([*encoded, "unsigned"])
