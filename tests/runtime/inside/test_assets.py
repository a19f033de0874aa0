"""The binding of static files, with the files of the page."""

from typing import Any

from runtime.environment import RuntimeEnvironment


async def test_a_static_file_has_a_tag_and_is_not_sent_again_for_it(raw_env: Any) -> None:
    """The binding returns a file with type and tag, 304 for the tag, and 404 without a file."""
    assets = RuntimeEnvironment(raw_env).assets
    assert assets is not None
    page = await assets.fetch("http://h/explore", "GET", None)
    assert (page.status, page.header("content-type")) == (200, "text/html; charset=utf-8")
    tag = page.header("etag")
    assert tag is not None
    await page.discard()
    assert (await assets.fetch("http://h/explore", "GET", tag)).status == 304
    head = await assets.fetch("http://h/explore", "HEAD", None)
    assert (head.status, head.header("etag")) == (200, tag)
    assert (await assets.fetch("http://h/explore/nothing.js", "GET", None)).status == 404
    moved = await assets.fetch("http://h/explore/", "GET", None)
    assert (moved.status, moved.header("location")) == (307, "/explore")
