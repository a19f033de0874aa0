"""The bridge knows whether a client was still connected when a script responded.

Under workerd itself, because the proxy of `wrangler dev` hides it when a client disconnects.
"""

import json
import socket
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from dev.launch.config import load_production_config
from dev.layout import HERE

CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "script", worker = .script)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [
    (name = "main", esModule = embed "main.js"),
    (name = "bridge.js", esModule = embed "bridge.js"),
  ],
  bindings = [(name = "SCRIPT", service = "script")],
  compatibilityDate = "DATE",
  compatibilityFlags = ["enable_request_signal"],
);
const script :Workerd.Worker = (
  modules = [(name = "script", esModule = embed "script.js")],
  compatibilityDate = "DATE",
);
"""
MAIN = """\
import { arrive, describe, dispatch, end, mayBeBroken } from "bridge.js";
const seen = {};
export default {
	async fetch(request, env, context) {
		const { pathname } = new URL(request.url);
		if (pathname === "/seen") return Response.json(seen);
		arrive(request, context);
		const namespace = { get: () => env.SCRIPT };
		try {
			const address = pathname.startsWith("/watched") ? "\\n\\nproxied" : "";
			const sent = dispatch(namespace, "script", 50, 10, request, address, "");
			const response = await sent.promise;
			seen[pathname] = describe(response).split("\\n")[0];
			return response;
		} catch (error) {
			const isClients = request.signal.aborted && mayBeBroken(request);
			seen[pathname] = `${isClients}: ${error.message}`;
			throw error;
		} finally {
			end(request);
		}
	},
};
"""
SCRIPT = """\
export default {
	async fetch(request) {
		const { pathname } = new URL(request.url);
		if (pathname === "/now") return new Response("ok");
		if (pathname.startsWith("/read")) return new Response(await request.text());
		if (pathname.startsWith("/watched-read")) return new Response(await request.text());
		if (pathname.startsWith("/watched-catch")) {
			const text = await request.text().catch((error) => error.message);
			return new Response(text, { status: Number(pathname.slice(-3)) });
		}
		if (pathname.startsWith("/watched-echo")) return new Response(request.body, request);
		if (pathname.startsWith("/watched-unread")) return new Response("ok");
		await scheduler.wait(400);
		if (pathname.endsWith("throw")) throw new Error("a failure of its own");
		return new Response("ok", { status: pathname.endsWith("fail") ? 500 : 200 });
	},
};
"""
UPLOAD = b"content-length: 9\r\n\r\nabc"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Worker that dispatches each request to a script by the bridge."""
    folder = tmp_path_factory.mktemp("bridge")
    date = load_production_config(HERE.wrangler_toml)["compatibility_date"]
    for name, text in (
        ("config.capnp", CONFIG.replace("DATE", date)),
        ("main.js", MAIN),
        ("script.js", SCRIPT),
        ("bridge.js", (HERE.root / "src" / "runtime" / "bridge.js").read_text()),
    ):
        (folder / name).write_text(text)
    packages = HERE.root / "node_modules" / "@cloudflare"
    (workerd,) = (path for path in packages.glob("workerd-*/bin/workerd") if path.is_file())
    command = [str(workerd), "serve", "config.capnp", "--control-fd=1"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(json.loads(process.stdout.readline())["port"])
        process.kill()


def send(port: int, head: str, rest: bytes = b"\r\n", wait_seconds: float = 0.1) -> bytes:
    """Send a request, and reset the connection after a time; return what came until then."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.sendall(f"{head} HTTP/1.1\r\nhost: x\r\n".encode() + rest)
        wire.settimeout(wait_seconds)
        try:
            received = wire.recv(65_536)
        except TimeoutError:
            received = b""
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    return received


def seen(port: int, path: str) -> str:
    """Wait until a request has ended, and return what the bridge says of it."""
    deadline = time.monotonic() + 20
    while True:
        found: dict[str, str] = httpx.get(f"http://127.0.0.1:{port}/seen").json()
        if path in found:
            return found[path]
        assert time.monotonic() < deadline, f"{path} did not end"
        time.sleep(0.05)


CHUNKED = b"transfer-encoding: chunked\r\n\r\n5\r\nab"
COMPLETE = b"content-length: 3\r\n\r\nabc"


@pytest.mark.parametrize(
    ("path", "rest", "expected"),
    [
        ("/watched-read", UPLOAD, "true: Network connection lost."),
        ("/watched-read-chunked", CHUNKED, "true: Network connection lost."),
        ("/watched-catch-200", UPLOAD, "-200"),
        ("/watched-catch-500", UPLOAD, "-500"),
        ("/watched-wait-fail", UPLOAD, "-500"),
        ("/watched-wait-throw", UPLOAD, "true: a failure of its own"),
        # Its own failures, although the client is gone too.
        ("/watched-complete-wait-fail", COMPLETE, "500"),
        ("/watched-complete-wait-throw", COMPLETE, "false: a failure of its own"),
        ("/watched-complete-wait", COMPLETE, "-200"),
    ],
)
def test_a_watched_upload_that_breaks_off_is_noticed(
    port: int, path: str, rest: bytes, expected: str
) -> None:
    send(port, f"POST {path}", rest)
    assert seen(port, path) == expected


@pytest.mark.parametrize("path", ["/watched-echo", "/watched-unread", "/watched-catch-500"])
def test_a_watched_upload_arrives_as_it_was_sent(port: int, path: str) -> None:
    url = f"http://127.0.0.1:{port}{path}-{{}}"
    for number, size in enumerate((0, 3, 1_000_000)):
        body = b"x" * size
        response = httpx.post(url.format(f"{number}-500"), content=body)
        assert response.content == (b"ok" if "unread" in path else body)
        chunked = httpx.put(url.format(f"{number}-chunked-500"), content=iter([body, b"y"]))
        assert chunked.content == (b"ok" if "unread" in path else body + b"y")


@pytest.mark.parametrize(
    ("method", "path", "rest", "expected"),
    [
        # The script responds to a client that is gone.
        ("GET", "/wait", b"\r\n", "-200"),
        ("POST", "/wait-upload", UPLOAD, "-200"),
        # Its own failure, although the client is gone too.
        ("GET", "/wait-fail", b"\r\n", "500"),
        ("GET", "/wait-throw", b"\r\n", "false: a failure of its own"),
        ("POST", "/wait-upload-throw", UPLOAD, "true: a failure of its own"),
        # A failure after an upload that broke off.
        ("POST", "/wait-upload-fail", UPLOAD, "-500"),
        ("POST", "/read-upload", UPLOAD, "true: Network connection lost."),
        ("POST", "/read-chunked", CHUNKED, "true: Network connection lost."),
    ],
)
def test_a_client_that_disconnects_first_is_noticed(
    port: int, method: str, path: str, rest: bytes, expected: str
) -> None:
    assert send(port, f"{method} {path}", rest) == b""
    assert seen(port, path) == expected


def test_a_client_that_disconnects_after_the_response_was_there(port: int) -> None:
    assert b"200 OK" in send(port, "GET /now", wait_seconds=5)
    assert seen(port, "/now") == "200"
