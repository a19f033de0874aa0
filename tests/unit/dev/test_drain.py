"""The moment before a clean end."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dev.launch.drain import held_events, wait_until_written

Answers = list[tuple[int, bytes]]


@pytest.fixture
def answering() -> Iterator[Callable[[Answers], int]]:
    """Serve answers one after the other, the last one again and again; return the port."""
    servers: list[HTTPServer] = []

    def serve(answers: Answers) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers.pop(0) if len(answers) > 1 else answers[0]
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


def holding(events: int) -> tuple[int, bytes]:
    return 200, json.dumps({"isolate": {"eventsHeld": events}}).encode()


def test_it_waits_until_nothing_is_held(answering: Callable[[Answers], int]) -> None:
    answers = [holding(3), holding(1), holding(0)]
    wait_until_written(answering(answers), "token")
    assert answers == [holding(0)]


def test_it_does_not_wait_for_ever(answering: Callable[[Answers], int]) -> None:
    started = time.monotonic()
    wait_until_written(answering([holding(1)]), "token", seconds=0.2)
    assert 0.2 <= time.monotonic() - started < 5


@pytest.mark.parametrize("answer", [(200, b"hello"), (200, b"[]"), (200, b"{}"), (500, b"")])
def test_a_worker_that_does_not_say_is_not_waited_for(
    answering: Callable[[Answers], int], answer: tuple[int, bytes]
) -> None:
    assert held_events(answering([answer]), "token") == 0


def test_neither_is_one_that_is_gone_or_refuses_the_token(
    answering: Callable[[Answers], int],
) -> None:
    assert held_events(1, "token") == 0
    assert held_events(answering([holding(1)]), "other") == 0
