"""Builds the Starlette application: routes, access check and error responses."""

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
    on_http_error,
    on_unexpected_error,
    on_unknown_route,
)

PREFIX: Final = "/client/v4"
"""The path of the API at api.cloudflare.com."""


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
        routes: The routes below `PREFIX`.
        token: The accepted API token.
        account_id: The only account.
        behind_gate: Middleware that runs after the access check.
        lifespan: Starlette's lifespan function.
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
            HTTPException: on_http_error,
            Exception: on_unexpected_error,
        },
    )
