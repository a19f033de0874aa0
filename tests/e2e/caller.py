"""A caller of one dispatcher, which sends what it is told byte for byte."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

import httpx

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.1

Found = TypeVar("Found")


def eventually(
    probe: Callable[[], Found | None], what: str, within_seconds: float = PATIENCE_SECONDS
) -> Found:
    """Return the first truthy result of `probe`; fail, naming `what` was waited for."""
    deadline = time.monotonic() + within_seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, (
            f"waited {within_seconds} s in vain: {what}; last: {found!r}"
        )
        time.sleep(POLL_SECONDS)
    return found


class Caller:
    """Sends requests to the dispatcher at `url`; `token` is the platform's."""

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
        """Send one request whose target is `target` as it stands: nothing tidies it."""
        wanted = httpx.Headers(headers)
        if host is not None:
            wanted["host"] = host
        # Cookies of one test are not another's.
        self.client.cookies.clear()
        extensions = {"target": target.encode("ascii")}
        return self.client.request(
            method, "/", headers=wanted, content=content, extensions=extensions
        )

    def platform(self, route: str, **parameters: str | int) -> dict[str, Any]:
        """Ask `/__platform/ROUTE` with the token, and return its JSON."""
        headers = {"authorization": f"Bearer {self.token}"}
        response = self.client.get(f"/__platform/{route}", params=parameters, headers=headers)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def snapshot(self, window: str = "today") -> dict[str, Any]:
        """Read one window's snapshot."""
        snapshot: dict[str, Any] = self.platform("analytics", window=window, top=100)["snapshot"]
        return snapshot

    def calls(self, window: str = "overall") -> int:
        """Read how many calls were ever counted."""
        calls: int = self.snapshot(window)["heroStats"]["calls"]
        return calls

    def api(self, slug: str, window: str = "today") -> dict[str, Any] | None:
        """Read the figures of one API, None if nobody called it."""
        apis: list[dict[str, Any]] = self.snapshot(window)["allApis"]
        return next((api for api in apis if api["tenantId"] == f"ten_{slug}"), None)

    def events(self, slug: str | None = None) -> list[dict[str, Any]]:
        """Read all events, newest first; with `slug`, those of one tenant."""
        events: list[dict[str, Any]] = []
        page: dict[str, Any] = {"cursor": None}
        while True:
            cursor = {"cursor": page["cursor"]} if page["cursor"] else {}
            page = self.platform("events", limit=2000, **cursor)
            events += page["events"]
            if not page["cursor"]:
                break
        return [event for event in events if slug is None or event["tenantId"] == f"ten_{slug}"]

    def settle(self) -> None:
        """Return when nothing waits any more to be written to KV."""
        eventually(
            lambda: self.platform("health")["isolate"]["eventsHeld"] == 0, "an empty backlog"
        )

    def flush(self) -> None:
        """Return when everything that was answered before now is in the log."""
        request_id = self.request("/t/marker/").headers["x-request-id"]
        eventually(
            lambda: any(event["requestId"] == request_id for event in self.events("marker")),
            f"the event of request {request_id}",
        )
