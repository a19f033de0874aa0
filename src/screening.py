"""What is refused whoever it is for: requests past the edge's bounds, and service workers.

Owns these refusals. Refuses to know tenants.
"""

from __future__ import annotations

import limits
from errors import InvalidParameter, NotFound
from ports import Request

_WORKER_SCRIPT = "service-worker"


def check_size(request: Request) -> None:
    """Raise `InvalidParameter` when the URL or the headers are longer than the edge allows."""
    if len(request.url) > limits.URL_LENGTH_MAX:
        raise InvalidParameter("url", f"at most {limits.URL_LENGTH_MAX} characters long")
    headers = request.headers
    length = sum(map(len, headers)) + sum(map(len, headers.values()))
    if length > limits.HEADERS_LENGTH_MAX:
        raise InvalidParameter(
            "headers", f"at most {limits.HEADERS_LENGTH_MAX} characters long together"
        )


def check_shared_host(request: Request) -> None:
    """Raise `NotFound` when a browser asks for a service worker on a host that APIs share.

    It would see and answer what the browser asks of the other APIs: `/t/SLUG`
    is in the folder `/t/`, which is the script's scope then, and a header can
    widen it to all. Source: Service Workers, W3C, algorithm "Update"
    (the script is fetched with `Service-Worker: script`).
    """
    if _WORKER_SCRIPT in request.headers:
        raise NotFound(
            "Service workers are not given out here, because all APIs below /t share this host."
            " An API at a host of its own may have one."
        )
