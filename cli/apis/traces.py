"""Traces of a script's invocations, in the format of Cloudflare's tails.

https://developers.cloudflare.com/workers/runtime-apis/handlers/tail/ describes the fields. A trace
is text of other people: it is shown without control characters.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from rich.text import Text

from cli.analytics.formatting import plain_text

LIMIT_OUTCOMES: Final[Mapping[str, str]] = {
    "exceededCpu": "exceeded its CPU time limit",
    "exceededMemory": "exceeded its memory limit",
    "exceededWallTime": "exceeded its time limit",
}
MISSING: Final = "scriptNotFound"

_WORDS: Final[Mapping[str, str]] = {
    **LIMIT_OUTCOMES,
    "exception": "threw an exception",
    "canceled": "the client disconnected",
    "responseStreamDisconnected": "the client disconnected",
    "loadShed": "Cloudflare rejected it because of load",
    MISSING: "the script is missing",
}
_LEVEL_STYLES: Final = {"error": "red", "warn": "yellow"}


@dataclass(frozen=True, slots=True)
class Trace:
    """One invocation.

    Args:
        at: When it began.
        script: The script's name.
        method: The request's method; empty if it was no request.
        path: The request's path and query, as the script got them; may be empty.
        status: The response's status; `None` if there was none.
        outcome: Cloudflare's word, such as `ok` or `exception`.
        logs: Level and text of each line of the script's output.
        exceptions: The text of each exception, with its stack.
    """

    at: datetime
    script: str
    method: str
    path: str
    status: int | None
    outcome: str
    logs: Sequence[tuple[str, str]]
    exceptions: Sequence[str]

    @property
    def is_failed(self) -> bool:
        """Whether the request failed, or the script logged an error."""
        has_error = any(level == "error" for level, _ in self.logs)
        is_error = self.status is not None and self.status >= 500
        return bool(self.outcome != "ok" or self.exceptions or is_error or has_error)

    @property
    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "at": _iso(self.at),
            "script": self.script,
            "method": self.method or None,
            "path": self.path or None,
            "status": self.status,
            "outcome": self.outcome,
            "logs": [{"level": level, "text": text} for level, text in self.logs],
            "exceptions": list(self.exceptions),
        }

    def lines(self) -> Iterator[Text]:
        """Yield it as lines for a terminal."""
        status = "---" if self.status is None else str(self.status)
        style = "red" if self.is_failed else "green"
        request = f"{self.method} {self.path}" if self.method else "(no request)"
        head = Text.assemble(f"{self.at:%Y-%m-%d %H:%M:%S}  ", (status, style), f"  {request}")
        word = _WORDS.get(self.outcome, "" if self.outcome == "ok" else self.outcome)
        yield head.append(f"  {plain_text(word)}", "red") if word else head
        for level, text in self.logs:
            for line in text.splitlines() or [""]:
                shown = f"  {level:<5}  {plain_text(line.expandtabs())}"
                yield Text(shown, _LEVEL_STYLES.get(level, "default"))
        for exception in self.exceptions:
            for line in exception.splitlines():
                yield Text(f"  {plain_text(line.expandtabs())}", "red")


def read_trace(document: Mapping[str, Any]) -> Trace | None:
    """Return a trace; `None` for what is no invocation, such as a message of the tail itself.

    Args:
        document: A message of a tail, or a line of the log of `make dev`.
    """
    event = document.get("event")
    request = event.get("request") if isinstance(event, dict) else None
    response = event.get("response") if isinstance(event, dict) else None
    moment = document.get("eventTimestamp")
    if "outcome" not in document or not isinstance(moment, (int, float)):
        return None
    request = request if isinstance(request, dict) else {}
    status = response.get("status") if isinstance(response, dict) else None
    return Trace(
        at=datetime.fromtimestamp(moment / 1000, UTC),
        script=str(document.get("scriptName") or ""),
        method=plain_text(request.get("method") or ""),
        path=plain_text(_path(str(request.get("url") or ""))),
        status=status if isinstance(status, int) else None,
        outcome=plain_text(document["outcome"]),
        logs=[_log(one) for one in document.get("logs") or () if isinstance(one, dict)],
        exceptions=[
            _exception(one) for one in document.get("exceptions") or () if isinstance(one, dict)
        ],
    )


def _path(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _log(one: Mapping[str, Any]) -> tuple[str, str]:
    message = one.get("message")
    parts = message if isinstance(message, list) else [message]
    texts = [
        part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts
    ]
    return plain_text(one.get("level") or "log"), " ".join(texts)


def _exception(one: Mapping[str, Any]) -> str:
    head = f"{one.get('name') or 'Error'}: {one.get('message') or ''}".strip()
    stack = str(one.get("stack") or "").strip("\n")
    if not stack:
        return head
    if head.startswith("PythonError"):
        # Its message is Python's traceback; the stack has the frames of Pyodide only.
        return head
    # workerd's stacks may begin with the exception's text.
    return stack if stack.startswith(head) else f"{head}\n{stack}"


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
