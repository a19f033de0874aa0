"""Writing and compaction continue after partial failures of the account or the dispatcher."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cloudflare
import httpx
import pytest

from cli.errors import AccessError, CommandError, InputError, MissingError
from cli.legacy.counting import ApiName, Counted, await_counted, compact
from cli.legacy.usage_store import KEYS_READ_MAX, KEYS_WRITTEN_MAX, UsageStore, find_usage_store
from cli.platform import Platform
from cli.secret import Secret
from cli.targets import Dispatcher

ACCOUNT = "0" * 32
Answer = Callable[[httpx.Request], httpx.Response]


def client_of(answer: Answer) -> cloudflare.Cloudflare:
    """Return the SDK's client, connected to `answer`."""
    transport = httpx.MockTransport(answer)
    http = httpx.Client(transport=transport)
    return cloudflare.Cloudflare(api_token="t", max_retries=0, http_client=http)


def envelope(result: object, status: int = 200, **more: object) -> httpx.Response:
    body = {"success": status < 400, "errors": [], "messages": [], "result": result, **more}
    return httpx.Response(status, json=body)


def pairs(count: int) -> list[dict[str, Any]]:
    return [{"key": f"k{number}", "value": "v", "metadata": {}} for number in range(count)]


def test_only_failed_keys_are_written_again() -> None:
    asked: list[list[str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append([pair["key"] for pair in json.loads(request.content)])
        failed = ["k1", "k3"] if len(asked) == 1 else []
        return envelope({"successful_key_count": 0, "unsuccessful_keys": failed})

    UsageStore(client_of(answer), ACCOUNT, "ns").write(pairs(4))
    assert asked == [["k0", "k1", "k2", "k3"], ["k1", "k3"]]


def test_a_key_that_cannot_be_written_is_an_error() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return envelope({"unsuccessful_keys": ["k0"]})

    with pytest.raises(CommandError, match="could not write 1 keys") as failure:
        UsageStore(client_of(answer), ACCOUNT, "ns").write(pairs(2))
    assert "same command again" in failure.value.advice


def test_many_keys_are_split_into_requests() -> None:
    sizes = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        names = body["keys"] if isinstance(body, dict) else body
        sizes.append(len(names))
        if isinstance(body, list):
            return envelope({"unsuccessful_keys": []})
        return envelope({"values": {name: None if name == "k7" else "v" for name in names}})

    store = UsageStore(client_of(answer), ACCOUNT, "ns")
    names = [pair["key"] for pair in pairs(KEYS_READ_MAX + 1)]
    assert store.values(names) == {name: "v" for name in names if name != "k7"}
    store.write(pairs(KEYS_WRITTEN_MAX + 1))
    assert sizes == [KEYS_READ_MAX, 1, KEYS_WRITTEN_MAX, 1]


def test_a_rejected_token_is_explained() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return envelope(None, 403, errors=[{"code": 10000, "message": "Authentication error"}])

    with pytest.raises(AccessError, match="Authentication error"):
        UsageStore(client_of(answer), ACCOUNT, "ns").values(["k"])


def test_the_namespace_of_make_dev_has_its_bindings_name() -> None:
    listed = [{"id": "a", "title": "TENANT_KV"}, {"id": "b", "title": "USAGE_KV"}]

    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", 1))
        return envelope(listed if page == 1 else [], result_info={"page": page, "per_page": 20})

    client = client_of(answer)
    assert find_usage_store(client, ACCOUNT, None, is_local=True).namespace_id == "b"
    listed.pop()
    with pytest.raises(MissingError, match="USAGE_KV"):
        find_usage_store(client, ACCOUNT, None, is_local=True)


def test_the_namespace_of_an_account_must_be_given() -> None:
    client = client_of(lambda _: httpx.Response(500))
    assert find_usage_store(client, ACCOUNT, "given", is_local=False).namespace_id == "given"
    with pytest.raises(InputError, match="USAGE_KV"):
        find_usage_store(client, ACCOUNT, None, is_local=False)


@contextmanager
def dispatcher(report: Callable[[int], dict[str, object]]) -> Iterator[tuple[Platform, list[int]]]:
    """Serve compaction requests; `report` gets the length of a range in minutes."""
    lengths: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            (first,), (end,) = query["from"], query["to"]
            lengths.append(int(end[14:16]) - int(first[14:16]))
            body = json.dumps(report(lengths[-1])).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            with Platform(Dispatcher(url, Secret("t"))) as platform:
                yield platform, lengths
        finally:
            server.shutdown()


def test_a_range_that_is_too_large_for_one_request_is_split() -> None:
    with dispatcher(lambda length: {"complete": length <= 10}) as (platform, lengths):
        compact(platform, 0, 40)
    assert lengths == [40, 20, 10, 10, 20, 10, 10]


def test_the_reason_why_compaction_stopped_is_reported() -> None:
    stopped = {"complete": False, "stoppedBy": "it fails its own check"}
    with (
        dispatcher(lambda _: stopped) as (platform, _),
        pytest.raises(CommandError, match="it fails its own check"),
    ):
        compact(platform, 0, 40)


def test_waiting_ends_when_every_api_has_the_wanted_totals() -> None:
    name = ApiName("t", "weather")
    answers = iter([{}, {name: Counted(1, 5)}, {name: Counted(2, 4)}, {name: Counted(3, 5)}])
    found = await_counted(lambda: next(answers), {name: Counted(2, 5)}, 60, lambda: None)
    assert found == {name: Counted(3, 5)}


def test_waiting_ends_after_the_maximum_time() -> None:
    wanted = {ApiName("t", "weather"): Counted(1, 0)}
    assert await_counted(dict, wanted, 0, lambda: None) == {}
