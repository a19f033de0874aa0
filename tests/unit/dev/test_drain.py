"""A clean stop waits for buffered events."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dev.launch.drain import buffered_events, wait_until_written

Responses = list[tuple[int, bytes]]


@pytest.fixture
def serve_responses() -> Iterator[Callable[[Responses], int]]:
    """Serve the given responses in turn, then repeat the last one; return the port."""
    servers: list[HTTPServer] = []

    def serve(responses: Responses) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = responses.pop(0) if len(responses) > 1 else responses[0]
                if self.headers["authorization"] != "Bearer token":
                    status, body = 401, b"{}"
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def buffering(events: int) -> tuple[int, bytes]:
    return 200, json.dumps({"isolate": {"eventsBuffered": events}}).encode()


def test_it_waits_until_no_events_are_buffered(serve_responses: Callable[[Responses], int]) -> None:
    responses = [buffering(3), buffering(1), buffering(0)]
    wait_until_written(serve_responses(responses), "token")
    assert responses == [buffering(0)]


def test_it_waits_no_longer_than_the_limit(serve_responses: Callable[[Responses], int]) -> None:
    started = time.monotonic()
    wait_until_written(serve_responses([buffering(1)]), "token", seconds=0.2)
    assert 0.2 <= time.monotonic() - started < 5


@pytest.mark.parametrize("response", [(200, b"hello"), (200, b"[]"), (200, b"{}"), (500, b"")])
def test_a_worker_that_does_not_report_is_not_waited_for(
    serve_responses: Callable[[Responses], int], response: tuple[int, bytes]
) -> None:
    assert buffered_events(serve_responses([response]), "token") == 0


def test_a_stopped_worker_or_wrong_token_counts_as_no_events(
    serve_responses: Callable[[Responses], int],
) -> None:
    assert buffered_events(1, "token") == 0
    assert buffered_events(serve_responses([buffering(1)]), "other") == 0
