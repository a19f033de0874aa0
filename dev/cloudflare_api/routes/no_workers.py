"""Routes of an account's own Workers, which this emulation does not have.

wrangler reads these routes even when it deploys into a dispatch namespace, and continues when
it finds nothing. Writes are rejected.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.responses import (
    SCRIPT_NOT_FOUND,
    SERVICE_NOT_FOUND,
    NotFoundError,
    UnsupportedError,
    success,
)

_WRITING = ["PUT", "POST", "PATCH", "DELETE"]


def routes_without_workers() -> list[Route]:
    """Return the routes."""
    root = "/accounts/{account}/workers"
    every = f"{root}/scripts/{{script:path}}"
    return [
        Route(f"{root}/scripts", _none, methods=["GET"]),
        Route(every, _missing_script, methods=["GET"]),
        Route(every, _refused, methods=_WRITING),
        Route(f"{root}/subdomain", _refused, methods=["GET", *_WRITING]),
        Route(f"{root}/services/{{script:path}}", _missing_service, methods=["GET"]),
    ]


async def _none(_request: Request) -> Response:
    return success([])


async def _missing_script(_request: Request) -> Response:
    raise NotFoundError("This Worker does not exist on your account.", code=SCRIPT_NOT_FOUND)


async def _missing_service(_request: Request) -> Response:
    raise NotFoundError("workers.api.error.service_not_found", code=SERVICE_NOT_FOUND)


async def _refused(_request: Request) -> Response:
    raise UnsupportedError(
        "Only the dispatcher runs on this machine, not Workers of an account: upload into the "
        "dispatch namespace (`wrangler deploy --dispatch-namespace clawr`), or deploy to "
        "Cloudflare."
    )
