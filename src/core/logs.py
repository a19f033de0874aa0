"""Structured logs: one line of JSON for each event that operators need to know.

Modules log through the standard `logging`. The message is the event's name, and `fields`
makes its fields:

    _LOGGER.warning("shard_not_called", extra=fields(shard=0, cause=str(error)))

Ordinary requests are not logged, because Cloudflare's invocation logs have them. The message
of an unexpected exception is not logged either, because it may contain a caller's data: only
its type and where it was raised.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from types import TracebackType

from core.ports import Json

FIELD_LENGTH_MAX = 1_000
"""Characters of a text field; the rest is cut off. Cloudflare cuts whole lines at 256 KB."""

_ATTRIBUTE = "fields"
_FRAMES_MAX = 12


def fields(**values: Json) -> Mapping[str, Mapping[str, Json]]:
    """Return the `extra` of a logging call for an event's fields, named in camel case."""
    return {_ATTRIBUTE: values}


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the level, the event, the logger, the fields and the exception."""
        values = getattr(record, _ATTRIBUTE, None)
        line: dict[str, Json] = {"level": record.levelname.lower()}
        if values is None:
            # A library's message, for example asyncio's, is a sentence and not an event.
            line |= {"event": "message", "message": _cut(record.getMessage())}
        else:
            line["event"] = record.getMessage()
        line["logger"] = record.name
        line |= {name: _cut(value) for name, value in (values or {}).items() if value is not None}
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            line["exception"] = {"type": kind.__qualname__, "stack": _stack(trace)}
        return json.dumps(line, separators=(",", ":"), default=str)


class LineHandler(logging.Handler):
    """Passes each line to `write`, together with its level in lower case."""

    def __init__(self, write: Callable[[str, str], None]) -> None:
        """Take the function that writes a line: `write(level, line)`."""
        super().__init__()
        self._write = write
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._write(record.levelname.lower(), self.format(record))


def set_up(write: Callable[[str, str], None]) -> None:
    """Send every record from `info` up, and Python's warnings, to `write(level, line)`."""
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [LineHandler(write)]
    root.setLevel(logging.INFO)


def _cut(value: Json) -> Json:
    return value[:FIELD_LENGTH_MAX] if isinstance(value, str) else value


def _stack(trace: TracebackType | None) -> list[str]:
    """List the frames of an exception as `FILE:LINE FUNCTION`, the innermost first."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        file = code.co_filename.rpartition("/")[2]
        frames.append(f"{file}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[: -_FRAMES_MAX - 1 : -1]
