"""Analytics may be cached for a few seconds, and are not sent again while unchanged."""

import httpx
import pytest

from .caller import Caller, eventually

TARGETS = ["", "?window=today", "?window=week&top=5", "?window=overall"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", TARGETS)
def test_unchanged_analytics_are_not_sent_again(caller: Caller, query: str, method: str) -> None:
    token = {"authorization": f"Bearer {caller.token}"}
    caller.wait_until_logged()
    first = caller.request(f"/__platform/analytics{query}", method=method, headers=token)
    assert first.status_code == 200
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert first.headers["cache-control"] == "private, max-age=5"
    conditional = {**token, "if-none-match": tag}
    again = caller.request(f"/__platform/analytics{query}", method=method, headers=conditional)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert again.headers["vary"].lower().startswith("authorization, x-platform-token")
    assert again.headers["x-request-id"] != first.headers["x-request-id"]

    assert caller.request("/t/marker/").status_code == 200

    def changed_response() -> httpx.Response | None:
        target = f"/__platform/analytics{query}"
        response = caller.request(target, method=method, headers=conditional)
        return response if response.status_code != 304 else None

    changed = eventually(changed_response, "a response with the new call", within_seconds=5)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_a_refused_request_is_not_cached(caller: Caller) -> None:
    for target in ("/__platform/analytics", "/__platform/analytics?window=never"):
        response = caller.request(target, headers={"if-none-match": "*"})
        assert response.status_code == 401
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers
