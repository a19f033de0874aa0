"""Bodies of any size stream both ways; the dispatcher neither waits for them nor changes them."""

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


def test_an_upload_of_50_mb_of_known_length_arrives_whole(caller: Caller) -> None:
    size = 50 * MEBIBYTE
    headers = {"content-length": str(size)}
    response = caller.request(
        "/t/digest/sha256", method="PUT", headers=headers, content=chunks(size)
    )
    assert (response.json()["bytes"], response.json()["digest"]) == (size, digest_of(size))


def test_a_chunked_upload_of_50_mb_arrives_whole(caller: Caller) -> None:
    size = 50 * MEBIBYTE + 1
    response = caller.request("/t/digest/sha256", method="POST", content=chunks(size))
    assert (response.json()["bytes"], response.json()["digest"]) == (size, digest_of(size))


def test_a_download_of_50_mb_arrives_whole(caller: Caller) -> None:
    size = 50 * MEBIBYTE + 7
    digest = hashlib.sha256()
    # Asked for as it is, because wrangler compresses where Cloudflare's edge would.
    headers = {"accept-encoding": "identity"}
    target = f"/t/crafted/download?bytes={size}"
    with caller.client.stream("GET", target, headers=headers) as response:
        for chunk in response.iter_raw():
            digest.update(chunk)
    assert digest.hexdigest() == digest_of(size)


def test_events_arrive_one_by_one_while_the_tenant_still_writes(caller: Caller) -> None:
    name = uuid.uuid4().hex
    with caller.client.stream("GET", f"/t/gate/stream?id={name}") as response:
        assert response.headers["content-type"] == "text/event-stream"
        lines = response.iter_lines()
        assert next(lines) == "data: first"
        # The second is written only now that the first was read.
        assert caller.request(f"/t/gate/release?id={name}").json() == {"released": name}
        assert [line for line in lines if line] == ["data: second"]


def test_an_upload_reaches_the_tenant_while_the_caller_still_sends(caller: Caller) -> None:
    name = uuid.uuid4().hex
    seen_early = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal seen_early
        yield PATTERN
        # The rest is sent only once the tenant has seen the beginning.
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


def test_a_compressed_response_stays_as_the_tenant_compressed_it(caller: Caller) -> None:
    request = caller.client.stream(
        "GET", "/t/crafted/gzip?text=small", headers={"accept-encoding": "gzip"}
    )
    with request as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == b"small"


def test_a_compressed_upload_is_not_unpacked_on_its_way(caller: Caller) -> None:
    packed = gzip.compress(b"an upload" * 1000)
    headers = {"content-encoding": "gzip"}
    response = caller.request("/t/mirror/", method="POST", headers=headers, content=packed)
    seen = response.json()["request"]
    assert dict(seen["headers"])["content-encoding"] == "gzip"
    assert seen["body"] == {"bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}


@pytest.mark.parametrize(
    ("target", "status"),
    [("/health", 405), ("/__platform/analytics", 401), ("/t/nobody/", 404)],
)
def test_an_upload_that_nobody_reads_does_not_hold_up_the_answer(
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


def test_bytes_that_are_no_text_pass_unchanged(caller: Caller) -> None:
    body = bytes(range(256)) + b"\xff\xfe\x00\r\n\r\n"
    response = caller.request("/t/mirror/", method="POST", content=body)
    assert response.json()["request"]["body"]["sha256"] == hashlib.sha256(body).hexdigest()
