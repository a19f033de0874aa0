"""The load generator sends each request once and rejects unexpected responses."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load import load, request_text, send_each

PAUSE_SECONDS = 0.05


class Recorder(ThreadingHTTPServer):
    """Records the requested paths."""

    daemon_threads = True

    def __init__(self) -> None:
        self.paths: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Recorder

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        if self.path == "/cut":
            self.close_connection = True
            return
        self.send_response(402 if self.path == "/priced" else 200)
        if self.path != "/stream":
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"2\r\nok\r\n")
        time.sleep(PAUSE_SECONDS)
        self.wfile.write(b"2\r\nok\r\n0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def test_each_request_is_sent_once_over_several_connections() -> None:
    with recorder() as server:
        paths = [f"/{number}" for number in range(50)]
        port = server.server_address[1]
        found = send_each(port, [request_text(port, path) for path in paths], connections=8)
        assert sorted(server.paths) == sorted(paths)
        assert len(found.times) == len(paths)


def test_the_first_byte_of_a_stream_comes_before_the_last() -> None:
    with recorder() as server:
        port = server.server_address[1]
        found = send_each(port, [request_text(port, "/stream")], connections=1)
        assert found.quantile_ms(0.5) - found.first_quantile_ms(0.5) > PAUSE_SECONDS * 500


@pytest.mark.parametrize("path", ["/priced", "/cut"])
def test_an_unexpected_response_ends_the_run(path: str) -> None:
    with recorder() as server:
        port = server.server_address[1]
        with pytest.raises(RuntimeError, match="unexpected"):
            send_each(port, [request_text(port, path)], connections=1)


def test_another_status_can_be_expected() -> None:
    with recorder() as server:
        port = server.server_address[1]
        found = load(port, "/priced", seconds=0.05, connections=2, status=402)
        assert len(found.times) == len(server.paths) > 0
