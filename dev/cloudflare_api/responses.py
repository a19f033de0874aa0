"""The envelope of every answer, and the errors that end a request, with Cloudflare's codes.

    ApiError                  the base: status, code and message of one error
    ├── UnauthorizedError     no token, or a wrong one
    ├── ForbiddenError        an account that the token has nothing to do with
    ├── InvalidError          a request that cannot be understood
    ├── NotFoundError         nothing of that name
    ├── ConflictError         something of that name is there already
    ├── TooLargeError         a body above the limit
    └── NotHereError          Cloudflare can do it, and this machine cannot

Codes are those of https://developers.cloudflare.com/workers/observability/errors/ and of the
OpenAPI document of the API, or what wrangler and the SDKs are known to look for.
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
SCRIPT_TOO_LARGE: Final = 10027
BINDING_NOT_FOUND: Final = 10056
NOT_HERE: Final = 10023
DISPATCH_NAMESPACE_NOT_FOUND: Final = 100119
DISPATCH_NAMESPACE_TAKEN: Final = 100120
DATABASE_NOT_FOUND: Final = 7404
DATABASE_TAKEN: Final = 7502
DATABASE_QUERY: Final = 7500


class ApiError(Exception):
    """An error that the asker is told.

    Args:
        message: What is wrong, in a sentence.
        status: The HTTP status.
        code: Cloudflare's number for it.
        headers: Further headers of the answer.
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
    """No token, or a wrong one."""

    status, code = 401, AUTHENTICATION


class ForbiddenError(ApiError):
    """An account, or a thing, that the token gives no right to."""

    status, code = 403, AUTHENTICATION


class InvalidError(ApiError):
    """A request that cannot be understood."""

    status, code = 400, BAD_REQUEST


class NotFoundError(ApiError):
    """Nothing of that name."""

    status, code = 404, UNKNOWN_ROUTE


class ConflictError(ApiError):
    """Something of that name is there already."""

    status, code = 409, BAD_REQUEST


class TooLargeError(ApiError):
    """A body above the limit."""

    status, code = 413, SCRIPT_TOO_LARGE


class NotHereError(ApiError):
    """Something that Cloudflare has, and that cannot be had here."""

    status, code = 400, NOT_HERE


def answer(
    result: object,
    *,
    status: int = 200,
    info: Mapping[str, Any] | None = None,
    messages: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """Return the envelope of a success.

    Args:
        result: What was asked for, as JSON.
        status: The HTTP status.
        info: `result_info`, about the page of a list.
        messages: Remarks, each with a code and a message.
    """
    document = {"success": True, "errors": [], "messages": [*messages], "result": result}
    return JSONResponse(document | ({"result_info": info} if info else {}), status_code=status)


def refusal(error: ApiError) -> Response:
    """Return the envelope of an error."""
    document = {
        "success": False,
        "errors": [{"code": error.code, "message": error.message}],
        "messages": [],
        "result": None,
    }
    return JSONResponse(document, status_code=error.status, headers=error.headers)


async def on_api_error(_request: Request, error: Exception) -> Response:
    """Answer with what was raised, as a handler of the application."""
    assert isinstance(error, ApiError)
    return refusal(error)


async def on_unknown_route(request: Request, _error: Exception) -> Response:
    """Answer a path, or a method of one, that no route has."""
    error = NotFoundError(
        f"Could not route to {request.url.path}: {request.method} of it is not part of "
        "Cloudflare's API that is answered here."
    )
    return refusal(error)


async def on_unreadable(_request: Request, error: Exception) -> Response:
    """Answer a body that is no form although it says so."""
    assert isinstance(error, HTTPException)
    return refusal(InvalidError(error.detail, status=error.status_code))


async def on_failure(_request: Request, error: Exception) -> Response:
    """Answer a mistake of our own."""
    return refusal(ApiError(f"Internal error: {type(error).__name__}."))


def paged(found: Sequence[Any], request: Request, per_page: int = 20) -> Response:
    """Return one page of a list, chosen by `page` and `per_page` of the query.

    Args:
        found: The whole list.
        request: Who asks.
        per_page: How many to a page where the query does not say.
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
    return answer(part, info=info)


def whole_number(request: Request, name: str, otherwise: int, *, least: int, most: int) -> int:
    """Return a whole number of the query.

    Raises:
        InvalidError: It is none, or out of its bounds.
    """
    text = request.query_params.get(name)
    if text is None:
        return otherwise
    if not text.isdecimal() or not least <= int(text) <= most:
        raise InvalidError(f"{name} must be a whole number from {least} to {most}.")
    return int(text)


async def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of the body; raises `InvalidError` if it is something else."""
    document = await json_body(request)
    if not isinstance(document, dict):
        raise InvalidError("The body must be a JSON object.")
    return document


async def json_body(request: Request) -> Any:  # noqa: ANN401 (any JSON there is)
    """Return the JSON of the body; raises `InvalidError` if it is none."""
    try:
        return await request.json()
    except ValueError as error:
        raise InvalidError(f"The body is not JSON: {error}.") from error


def text_field(document: Mapping[str, Any], name: str) -> str:
    """Return a text of a JSON object that must not be empty.

    Raises:
        InvalidError: It is missing, empty, or no text.
    """
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidError(f"{name} must be a text that is not empty.")
    return value
