"""Cloudflare's KV API of one account, answered by the local explorer of a running dispatcher.

Both have the same routes below `storage/kv`; only the account in front of them is added here.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from dev.launch.announcement import LOCAL_ACCOUNT

TOKEN = "token-of-the-explorer-api"
ROOT = "/client/v4"


@contextmanager
def explorer_api(dispatcher_url: str) -> Iterator[str]:
    """Answer for the time of a `with` block; yields the API's address."""
    before = f"{ROOT}/accounts/{LOCAL_ACCOUNT}/"
    behind = f"{dispatcher_url}/cdn-cgi/local/explorer/api/"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path.startswith(before), self.path
            assert self.headers["authorization"] == f"Bearer {TOKEN}"
            answer = httpx.request(
                self.command,
                behind + self.path.removeprefix(before),
                content=self.rfile.read(int(self.headers.get("content-length", 0))),
                headers={"content-type": self.headers.get("content-type", "application/json")},
                timeout=60,
            )
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{ROOT}"
        finally:
            server.shutdown()
            thread.join()
