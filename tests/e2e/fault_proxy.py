"""A facilitator that fails as it is told to: a real server in front of the real one.

Every call goes through one `Fault`, a function of the call that may pass it on. A test puts
faults in a queue for a path, each for one call; without any, calls are passed on.

    with running_fault_proxy(economy.facilitator_url) as proxy:
        proxy.then("/settle", after_it_worked(500), pass_on)
"""

import json
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import httpx

UPSTREAM_SECONDS = 200.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the proxy answers; `body` as it goes out, whole."""

    status: int
    body: bytes
    content_type: str = "application/json"

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


@dataclass(slots=True)
class Call:
    """One call to the facilitator, and what became of it.

    Args:
        path: `/verify`, `/settle` or `/supported`.
        headers: By their names in small letters.
        body: As it came.
        upstream: What the real facilitator answered; `None` if it was not asked.
        answer: What the caller got; `None` while it waits, or if the line was cut.
        upstream_seconds: How long the real facilitator took.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    pass_on: Callable[["Call"], Answer]
    upstream: Answer | None = None
    answer: Answer | None = None
    upstream_seconds: float = 0.0

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


class Cut(Exception):
    """Ends the connection without an answer."""


Fault: TypeAlias = Callable[[Call], Answer]


def pass_on(call: Call) -> Answer:
    """Do what the real facilitator does."""
    return call.pass_on(call)


def cut(_call: Call) -> Answer:
    """Reset the connection before the real facilitator hears of it."""
    raise Cut


def cut_after_it_worked(call: Call) -> Answer:
    """Let the real facilitator do it, and reset the connection in place of its answer."""
    pass_on(call)
    raise Cut


def status(code: int) -> Fault:
    """Answer a status without asking the real facilitator."""
    return lambda _call: Answer(code, b'{"error":"made to fail"}')


def after_it_worked(code: int) -> Fault:
    """Let the real facilitator do it, and answer a failure's status all the same."""

    def fault(call: Call) -> Answer:
        pass_on(call)
        return Answer(code, b'{"error":"made to fail after it worked"}')

    return fault


def slow(seconds: float) -> Fault:
    """Pass it on after a while."""

    def fault(call: Call) -> Answer:
        time.sleep(seconds)
        return pass_on(call)

    return fault


def slow_answer(seconds: float) -> Fault:
    """Pass it on at once, and keep the answer for a while."""

    def fault(call: Call) -> Answer:
        answer = pass_on(call)
        time.sleep(seconds)
        return answer

    return fault


def body(text: str | bytes, code: int = 200, content_type: str = "application/json") -> Fault:
    """Answer a body without asking the real facilitator."""
    content = text.encode() if isinstance(text, str) else text
    return lambda _call: Answer(code, content, content_type)


def reply(document: object, code: int = 200) -> Fault:
    """Answer a JSON document without asking the real facilitator."""
    return body(json.dumps(document), code)


def settlement_pending(transaction: str, network: str, payer: str) -> Fault:
    """Answer that a settlement was sent and is in no block yet."""
    return reply(
        {
            "success": False,
            "errorReason": "settlement_pending",
            "transaction": transaction,
            "network": network,
            "payer": payer,
        }
    )


NONSENSE: Mapping[str, Fault] = {
    "a page": body("<html><body>Welcome</body></html>", content_type="text/html"),
    "half a document": body('{"isValid": true, "success": tr'),
    "a list": reply([1, 2, 3]),
    "no fields": reply({}),
    "wrong types": reply({"isValid": "yes", "success": "yes", "transaction": 5, "network": None}),
    "nothing": body(b""),
    "no UTF-8": body(b"\xff\xfe\x00{"),
    "a huge body": body(b" " * 20_000_000 + b'{"isValid": true, "success": true}'),
    "deep nesting": body("[" * 100_000),
    "a redirect": body("", 302),
}
"""Answers that no facilitator should give, by what they are."""


@dataclass(slots=True)
class FaultProxy:
    """A running proxy.

    Args:
        url: Its address, without a slash at the end.
        calls: Every call so far, in the order of arrival.
    """

    url: str
    calls: list[Call] = field(default_factory=list)
    _queues: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _always: dict[str, Fault] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def then(self, path: str, *faults: Fault) -> None:
        """Let the next calls to a path meet these faults, each one call."""
        with self._lock:
            self._queues[path].extend(faults)

    def always(self, path: str, fault: Fault) -> None:
        """Let every call to a path meet a fault, once the queue is empty."""
        with self._lock:
            self._always[path] = fault

    def reset(self) -> None:
        """Forget all faults and all calls."""
        with self._lock:
            self._queues.clear()
            self._always.clear()
            self.calls.clear()

    def count(self, path: str) -> int:
        """Return how many calls to a path there were."""
        return len(self.calls_to(path))

    def calls_to(self, path: str) -> list[Call]:
        """Return the calls to a path, in the order of arrival."""
        with self._lock:
            return [call for call in self.calls if call.path == path]

    def meet(self, call: Call) -> Answer:
        """Record a call, and return what its fault makes of it."""
        with self._lock:
            self.calls.append(call)
            queue = self._queues[call.path]
            fault = queue.popleft() if queue else self._always.get(call.path, pass_on)
        call.answer = fault(call)
        return call.answer


@contextmanager
def running_fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Run a proxy in front of the facilitator at `upstream` for the time of a `with` block."""
    with httpx.Client(base_url=upstream, timeout=UPSTREAM_SECONDS) as client:

        def ask_upstream(call: Call) -> Answer:
            started = time.monotonic()
            answer = client.request(
                "POST" if call.body else "GET",
                call.path,
                content=call.body,
                headers={"content-type": "application/json"},
            )
            call.upstream_seconds = time.monotonic() - started
            call.upstream = Answer(answer.status_code, answer.content)
            return call.upstream

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._handle()

            def do_POST(self) -> None:
                self._handle()

            def log_message(self, *_: object) -> None:
                pass

            def _handle(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.path, headers, self.rfile.read(length), ask_upstream)
                try:
                    answer = proxy.meet(call)
                except Cut:
                    reset_at_close(self.connection)
                    self.close_connection = True
                    return
                try:
                    self.send_response(answer.status)
                    self.send_header("content-type", answer.content_type)
                    self.send_header("content-length", str(len(answer.body)))
                    if answer.status // 100 == 3:
                        self.send_header("location", "/elsewhere")
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:
                    # The caller has not waited for it.
                    self.close_connection = True

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            proxy = FaultProxy(f"http://127.0.0.1:{server.server_address[1]}")
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield proxy
            finally:
                server.shutdown()


def reset_at_close(connection: socket.socket) -> None:
    """Let the connection end with a reset instead of a farewell."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def address_of_nobody() -> str:
    """Return an address of this machine where connections are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
