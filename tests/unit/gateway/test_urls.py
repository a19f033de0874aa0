"""Joining the parts of a parsed URL gives the URL, except for dot segments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.urls import ParsedUrl, parse_url


@given(
    st.text("abc./%2eE\\", max_size=20),
    st.sampled_from(["", "?", "?a=b", "?a=/../b#c"]),
    st.sampled_from(["h.example", "H.example:80", "[::1]:8787", "u@h.example"]),
)
def test_joining_the_parts_gives_the_url_except_for_dot_segments(
    path: str, query: str, host: str
) -> None:
    parsed = parse_url(f"http://{host}/{path}{query}")
    assert parsed.host in ("h.example", "[::1]")
    assert parsed.query == query
    assert not {".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"} & set(parsed.path.lower().split("/"))
    if not any(part.lower().replace("%2e", ".") in (".", "..") for part in path.split("/")):
        assert parsed == ParsedUrl(f"http://{host}", parsed.host, f"/{path}", query)
