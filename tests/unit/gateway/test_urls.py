"""Locations: a URL taken apart is the URL again, but for its dot segments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.urls import ParsedUrl, parse_url


@given(
    st.text("abc./%2eE\\", max_size=20),
    st.sampled_from(["", "?", "?a=b", "?a=/../b#c"]),
    st.sampled_from(["h.example", "H.example:80", "[::1]:8787", "u@h.example"]),
)
def test_a_location_is_the_url_again_but_for_dot_segments(path: str, query: str, host: str) -> None:
    location = parse_url(f"http://{host}/{path}{query}")
    assert location.host in ("h.example", "[::1]")
    assert location.query == query
    assert not {".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"} & set(location.path.lower().split("/"))
    if not any(part.lower().replace("%2e", ".") in (".", "..") for part in path.split("/")):
        assert location == ParsedUrl(f"http://{host}", location.host, f"/{path}", query)
