"""Response envelopes, and the errors of the API with Cloudflare's codes.

    ApiError                  base class: status, code and message
    ├── UnauthorizedError     token missing or wrong
    ├── ForbiddenError        the token gives no access
    ├── InvalidError          invalid request
    ├── NotFoundError         no object of that name
    ├── ConflictError         the name is taken
    ├── TooLargeError         body above the limit
    └── UnsupportedError      possible at Cloudflare, but not in this emulation

The codes are from https://developers.cloudflare.com/workers/observability/errors/, from the
OpenAPI document of the API, or those that wrangler and the SDKs check for.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

AUTHENTICATION: Final = 10000
UNKNOWN_ROUTE: Final = 7003
BAD_CONTENT_TYPE: Final = 10001
BAD_REQUEST: Final = 10004
UNPARSEABLE_SCRIPT: Final = 10006
SCRIPT_NOT_FOUND: Final = 10007
SERVICE_NOT_FOUND: Final = 10090
DISPATCHED_SCRIPT_NOT_FOUND: Final = 10092
KEY_NOT_FOUND: Final = 10009
NAMESPACE_NOT_FOUND: Final = 10013
TITLE_TAKEN: Final = 10014
INVALID_SCRIPT: Final = 10021
NO_HANDLERS: Final = 10068
SCRIPT_TOO_LARGE: Final = 10027
BINDING_NOT_FOUND: Final = 10056
UNSUPPORTED: Final = 10023
DISPATCH_NAMESPACE_NOT_FOUND: Final = 100119
DISPATCH_NAMESPACE_TAKEN: Final = 100120
DATABASE_NOT_FOUND: Final = 7404
DATABASE_TAKEN: Final = 7502
DATABASE_QUERY: Final = 7500


class ApiError(Exception):
    """An error that is sent to the client.

    Args:
        message: One sentence.
        status: The HTTP status.
        code: Cloudflare's error code.
        headers: Additional response headers.
    """

    status = 500
    code = 10002

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the arguments as fields."""
        super().__init__(message)
        self.message = message
        self.code = self.code if code is None else code
        self.status = self.status if status is None else status
        self.headers = dict(headers or {})


class UnauthorizedError(ApiError):
    """The token is missing or wrong."""

    status, code = 401, AUTHENTICATION


class ForbiddenError(ApiError):
    """The token gives no access to the account or object."""

    status, code = 403, AUTHENTICATION


class InvalidError(ApiError):
    """The request is invalid."""

    status, code = 400, BAD_REQUEST


class NotFoundError(ApiError):
    """No object has that name."""

    status, code = 404, UNKNOWN_ROUTE


class ConflictError(ApiError):
    """The name is taken."""

    status, code = 409, BAD_REQUEST


class TooLargeError(ApiError):
    """The body is above the limit."""

    status, code = 413, SCRIPT_TOO_LARGE


class UnsupportedError(ApiError):
    """Cloudflare can do it, but this emulation cannot."""

    status, code = 400, UNSUPPORTED


def success(
    result: object,
    *,
    status: int = 200,
    info: Mapping[str, Any] | None = None,
    messages: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """Return the envelope of a successful response.

    Args:
        result: The result, as JSON.
        status: The HTTP status.
        info: `result_info` of a page of a list.
        messages: Messages, each with `code` and `message`.
    """
    document = {"success": True, "errors": [], "messages": [*messages], "result": result}
    return JSONResponse(document | ({"result_info": info} if info else {}), status_code=status)


def failure(error: ApiError) -> Response:
    """Return the envelope of an error."""
    document = {
        "success": False,
        "errors": [{"code": error.code, "message": error.message}],
        "messages": [],
        "result": None,
    }
    return JSONResponse(document, status_code=error.status, headers=error.headers)


async def on_api_error(_request: Request, error: Exception) -> Response:
    """Handle an `ApiError`."""
    assert isinstance(error, ApiError)
    return failure(error)


async def on_unknown_route(request: Request, _error: Exception) -> Response:
    """Handle an unknown path or method."""
    error = NotFoundError(
        f"Could not route to {request.url.path}: {request.method} of this path is not "
        "implemented by this emulation of Cloudflare's API."
    )
    return failure(error)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Handle an invalid form body."""
    assert isinstance(error, HTTPException)
    return failure(InvalidError(error.detail, status=error.status_code))


async def on_unexpected_error(_request: Request, error: Exception) -> Response:
    """Handle an unexpected exception."""
    return failure(ApiError(f"Internal error: {type(error).__name__}."))


def paged(found: Sequence[Any], request: Request, per_page: int = 20) -> Response:
    """Return one page of a list, chosen by `page` and `per_page` of the query.

    Args:
        found: The whole list.
        request: The request.
        per_page: Default page size.
    """
    size = whole_number(request, "per_page", per_page, least=1, most=1_000)
    page = whole_number(request, "page", 1, least=1, most=1_000_000)
    part = list(found[(page - 1) * size : page * size])
    info = {
        "count": len(part),
        "page": page,
        "per_page": size,
        "total_count": len(found),
        "total_pages": -(-len(found) // size),
    }
    return success(part, info=info)


def whole_number(request: Request, name: str, otherwise: int, *, least: int, most: int) -> int:
    """Return an integer parameter of the query, `otherwise` if it is missing.

    Raises:
        InvalidError: It is no integer, or out of bounds.
    """
    text = request.query_params.get(name)
    if text is None:
        return otherwise
    if not text.isdecimal() or not least <= int(text) <= most:
        raise InvalidError(f"{name} must be a whole number from {least} to {most}.")
    return int(text)


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body's JSON object; raise `InvalidError` if it is none."""
    document = await json_body(request)
    if not isinstance(document, dict):
        raise InvalidError("The body must be a JSON object.")
    return document


async def json_body(request: Request) -> Any:  # noqa: ANN401 (any JSON)
    """Return the body's JSON; raise `InvalidError` if it is not JSON."""
    try:
        return await request.json()
    except ValueError as error:
        raise InvalidError(f"The body is not JSON: {error}.") from error


def text_field(document: Mapping[str, Any], name: str) -> str:
    """Return a non-empty string of a JSON object.

    Raises:
        InvalidError: It is missing, empty, or not a string.
    """
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidError(f"{name} must be a non-empty string.")
    return value
