"""Bodies of any size stream in both directions, unbuffered and unchanged."""

import asyncio
import gzip
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from .caller import Caller, eventually

MEBIBYTE = 1024 * 1024
PATTERN = bytes(range(256)) * (64 * 1024 // 256)


def chunks(total_bytes: int) -> Iterator[bytes]:
    for sent in range(0, total_bytes, len(PATTERN)):
        yield PATTERN[: total_bytes - sent]


def digest_of(total_bytes: int) -> str:
    digest = hashlib.sha256()
    for chunk in chunks(total_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def test_a_50_mb_upload_of_known_length_arrives_whole(caller: Caller) -> None:
    size = 50 * MEBIBYTE
    headers = {"content-length": str(size)}
    response = caller.request(
        "/t/digest/sha256", method="PUT", headers=headers, content=chunks(size)
    )
    assert (response.json()["bytes"], response.json()["digest"]) == (size, digest_of(size))


def test_a_chunked_50_mb_upload_arrives_whole(caller: Caller) -> None:
    size = 50 * MEBIBYTE + 1
    response = caller.request("/t/digest/sha256", method="POST", content=chunks(size))
    assert (response.json()["bytes"], response.json()["digest"]) == (size, digest_of(size))


def test_a_50_mb_download_arrives_whole(caller: Caller) -> None:
    size = 50 * MEBIBYTE + 7
    digest = hashlib.sha256()
    # Without this header wrangler compresses, as Cloudflare's edge does.
    headers = {"accept-encoding": "identity"}
    target = f"/t/crafted/download?bytes={size}"
    with caller.client.stream("GET", target, headers=headers) as response:
        for chunk in response.iter_raw():
            digest.update(chunk)
    assert digest.hexdigest() == digest_of(size)


def test_server_sent_events_arrive_while_the_tenant_still_writes(caller: Caller) -> None:
    name = uuid.uuid4().hex
    with caller.client.stream("GET", f"/t/gate/stream?id={name}") as response:
        assert response.headers["content-type"] == "text/event-stream"
        lines = response.iter_lines()
        assert next(lines) == "data: first"
        # The tenant writes the second event only after this request.
        assert caller.request(f"/t/gate/release?id={name}").json() == {"released": name}
        assert [line for line in lines if line] == ["data: second"]


def test_an_upload_reaches_the_tenant_while_the_caller_still_sends(caller: Caller) -> None:
    name = uuid.uuid4().hex
    seen_early = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal seen_early
        yield PATTERN
        # The rest is sent after the tenant has received the first chunk.
        await asyncio.to_thread(
            eventually,
            lambda: caller.request(f"/t/gate/seen?id={name}").json()["bytes"] == len(PATTERN),
            "the tenant sees the first chunk",
        )
        seen_early = True
        yield PATTERN

    async def upload() -> httpx.Response:
        async with httpx.AsyncClient(base_url=caller.url, timeout=60) as client:
            return await client.post(f"/t/gate/upload?id={name}", content=body())

    response = asyncio.run(upload())
    assert seen_early
    assert response.json() == {"bytes": 2 * len(PATTERN)}


def test_a_compressed_response_is_passed_on_unchanged(caller: Caller) -> None:
    request = caller.client.stream(
        "GET", "/t/crafted/gzip?text=small", headers={"accept-encoding": "gzip"}
    )
    with request as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == b"small"


def test_a_compressed_upload_is_passed_on_unchanged(caller: Caller) -> None:
    compressed = gzip.compress(b"an upload" * 1000)
    headers = {"content-encoding": "gzip"}
    response = caller.request("/t/mirror/", method="POST", headers=headers, content=compressed)
    seen = response.json()["request"]
    assert dict(seen["headers"])["content-encoding"] == "gzip"
    assert seen["body"] == {
        "bytes": len(compressed),
        "sha256": hashlib.sha256(compressed).hexdigest(),
    }


@pytest.mark.parametrize(
    ("target", "status"),
    [("/health", 405), ("/__platform/analytics", 401), ("/t/unknown/", 404)],
)
def test_an_unread_upload_does_not_delay_the_response(
    caller: Caller, target: str, status: int
) -> None:
    for _ in range(3):
        response = caller.request(target, method="POST", content=chunks(4 * MEBIBYTE))
        assert response.status_code == status
        assert caller.request("/health").json()["ok"] is True


def test_an_empty_upload_is_empty(caller: Caller) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        response = caller.request("/t/mirror/", method=method, content=b"")
        assert response.json()["request"]["body"]["bytes"] == 0


def test_binary_bodies_arrive_unchanged(caller: Caller) -> None:
    body = bytes(range(256)) + b"\xff\xfe\x00\r\n\r\n"
    response = caller.request("/t/mirror/", method="POST", content=body)
    assert response.json()["request"]["body"]["sha256"] == hashlib.sha256(body).hexdigest()
