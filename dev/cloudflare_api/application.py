"""The API as one application: its routes behind the gate, and its errors as envelopes."""

from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.types import Lifespan

from dev.cloudflare_api.gate import Gate
from dev.cloudflare_api.responses import (
    ApiError,
    on_api_error,
    on_failure,
    on_unknown_route,
    on_unreadable,
)

PREFIX: Final = "/client/v4"
"""The path of the API, as at Cloudflare's own address."""


def application(
    routes: Sequence[BaseRoute],
    *,
    token: str,
    account_id: str,
    behind_gate: Sequence[Middleware] = (),
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Return the application.

    Args:
        routes: Its routes, below `PREFIX`.
        token: The API token that it takes.
        account_id: The account that it answers for.
        behind_gate: What else a request goes through once it is let in.
        lifespan: What is opened and closed with it.
    """
    gate = Middleware(Gate, token=token, account_id=account_id, prefix=PREFIX)
    return Starlette(
        routes=[Mount(PREFIX, routes=[*routes])],
        middleware=[gate, *behind_gate],
        lifespan=lifespan,
        exception_handlers={
            ApiError: on_api_error,
            404: on_unknown_route,
            405: on_unknown_route,
            HTTPException: on_unreadable,
            Exception: on_failure,
        },
    )
