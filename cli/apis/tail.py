"""Cloudflare's tail of the dispatcher's Worker, which also has what scripts of the namespace do.

A tail is created through the account's API, read from a WebSocket with the protocol `trace-v1`, and
deleted at the end, as `wrangler tail` does it. There is no tail of a single script of a dispatch
namespace; the events of the dispatcher's tail name their script:
https://developers.cloudflare.com/cloudflare-for-platforms/workers-for-platforms/platform/observability/
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import cloudflare
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from cli.account_api import explained
from cli.apis.traces import Trace, read_trace
from cli.errors import NetworkError

PROTOCOL: Final = Subprotocol("trace-v1")
PING_SECONDS: Final = 10
OPEN_SECONDS: Final = 20
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
SHORT_SECONDS: Final = 5.0
SHORT_MAX: Final = 3
"""So many connections that end so early are an outage, not the end of a tail's time."""

_OWN_TRACES: Final = ("tenant_worker_failure", "tenant_limit_exceeded")
"""Errors of the dispatcher of which the script has its own trace."""


def follow_tail(
    client: cloudflare.Cloudflare,
    account_id: str,
    worker: str,
    on_message: Callable[[str], None],
) -> Generator[Mapping[str, Any]]:
    """Yield the messages of a Worker's tail endlessly; tails that expire are renewed.

    Args:
        client: A client for the account's API.
        account_id: The account.
        worker: The Worker's name.
        on_message: Called with a sentence when the tail is interrupted.

    Raises:
        CommandError: The tail could not be created, or its connection fails again and again.
    """
    short = 0
    while True:
        started = time.monotonic()
        yield from _one_tail(client, account_id, worker)
        short = short + 1 if time.monotonic() - started < SHORT_SECONDS else 0
        if short == SHORT_MAX:
            raise NetworkError(
                f"Cloudflare ended the tail of {worker} {SHORT_MAX} times at once.",
                "Check Cloudflare's status page. A Worker can have 10 tails at a time.",
            )
        on_message("Cloudflare ended the tail; starting another one. Requests may be missing.")


def _one_tail(
    client: cloudflare.Cloudflare, account_id: str, worker: str
) -> Generator[Mapping[str, Any]]:
    tails = client.workers.scripts.tail
    with explained(f"starting a tail of {worker}"):
        created = tails.create(worker, account_id=account_id, extra_body={"filters": []})
    try:
        with connect(
            created.url,
            subprotocols=[PROTOCOL],
            ping_interval=PING_SECONDS,
            open_timeout=OPEN_SECONDS,
            max_size=MESSAGE_BYTES_MAX,
        ) as socket:
            socket.send(json.dumps({"debug": False}))
            try:
                for message in socket:
                    document = json.loads(message)
                    if isinstance(document, dict):
                        yield document
            except ConnectionClosed:
                return
    except (InvalidHandshake, InvalidURI, OSError, TimeoutError) as error:
        raise NetworkError(
            f"The tail of {worker} could not be read ({error}).",
            "Check the network, then run the same command again.",
        ) from error
    finally:
        # A tail that has expired is gone.
        with explained(f"ending the tail of {worker}"), suppress(cloudflare.NotFoundError):
            tails.delete(created.id, account_id=account_id, script_name=worker)


def traces_of(message: Mapping[str, Any], script: str, slug: str) -> Iterator[Trace]:
    """Yield what a message of the dispatcher's tail says about an API.

    Args:
        message: The message.
        script: The API's script.
        slug: The API: what the dispatcher logs about it counts, too.
    """
    trace = read_trace(message)
    if trace is None:
        return
    if trace.script == script:
        yield trace
        return
    for level, text in trace.logs:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not isinstance(line, dict) or line.get("endpoint") != f"/t/{slug}":
            continue
        if line.get("code") not in _OWN_TRACES:
            status = line.get("status")
            yield Trace(
                at=trace.at,
                script=trace.script,
                method=str(line.get("method") or trace.method),
                path=trace.path,
                status=status if isinstance(status, int) else trace.status,
                outcome=str(line.get("code") or line.get("event")),
                logs=[(level, str(line.get("cause") or line.get("message") or text))],
                exceptions=(),
            )


def notice_of(message: Mapping[str, Any]) -> str | None:
    """Return what Cloudflare says about the tail itself, such as that it drops events."""
    event = message.get("event")
    is_notice = isinstance(event, dict) and "type" in event and "message" in event
    return str(event["message"]) if is_notice and isinstance(event, dict) else None
