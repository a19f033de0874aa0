"""A client for one dispatcher that sends targets and headers unchanged."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

import httpx

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.1

Found = TypeVar("Found")


def eventually(
    probe: Callable[[], Found | None],
    what: str,
    within_seconds: float = PATIENCE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> Found:
    """Return the first truthy result of `probe`; fail after the time with the text `what`."""
    deadline = time.monotonic() + within_seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, (
            f"not within {within_seconds} s: {what}; last: {found!r}"
        )
        time.sleep(poll_seconds)
    return found


class Caller:
    """Sends requests to the dispatcher at `url`; `token` is for the platform API."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def request(
        self,
        target: str,
        *,
        method: str = "GET",
        host: str | None = None,
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        content: bytes | Iterator[bytes] | None = None,
    ) -> httpx.Response:
        """Send one request with exactly this target; nothing normalizes it."""
        sent_headers = httpx.Headers(headers)
        if host is not None:
            sent_headers["host"] = host
        # Tests do not share cookies.
        self.client.cookies.clear()
        extensions = {"target": target.encode("ascii")}
        return self.client.request(
            method, "/", headers=sent_headers, content=content, extensions=extensions
        )

    def platform(self, route: str, **parameters: str | int) -> dict[str, Any]:
        """Return the JSON of `/__platform/ROUTE`, requested with the token."""
        headers = {"authorization": f"Bearer {self.token}"}
        response = self.client.get(f"/__platform/{route}", params=parameters, headers=headers)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def snapshot(self, window: str = "today") -> dict[str, Any]:
        """Return the snapshot of a window."""
        snapshot: dict[str, Any] = self.platform("analytics", window=window, top=100)["snapshot"]
        return snapshot

    def calls(self, window: str = "overall") -> int:
        """Return how many calls a window counts."""
        calls: int = self.snapshot(window)["heroStats"]["calls"]
        return calls

    def api(self, slug: str, window: str = "today") -> dict[str, Any] | None:
        """Return the row of an API in a window's snapshot, None if it has no calls."""
        apis: list[dict[str, Any]] = self.snapshot(window)["allApis"]
        return next((api for api in apis if api["tenantId"] == f"ten_{slug}"), None)

    def events(self, slug: str | None = None) -> list[dict[str, Any]]:
        """Return all events, newest first; with `slug`, those of one tenant."""
        events: list[dict[str, Any]] = []
        page: dict[str, Any] = {"cursor": None}
        while True:
            cursor = {"cursor": page["cursor"]} if page["cursor"] else {}
            page = self.platform("events", limit=2000, **cursor)
            events += page["events"]
            if not page["cursor"]:
                break
        return [event for event in events if slug is None or event["tenantId"] == f"ten_{slug}"]

    def wait_until_written(self) -> None:
        """Wait until the shards have acknowledged all events."""
        eventually(
            lambda: self.platform("health")["isolate"]["eventsBuffered"] == 0,
            "no event waits to be sent",
        )

    def wait_until_logged(self) -> None:
        """Wait until the log has the events of all requests answered before this call."""
        request_id = self.request("/t/marker/").headers["x-request-id"]
        eventually(
            lambda: any(event["requestId"] == request_id for event in self.events("marker")),
            f"the event of request {request_id}",
        )
