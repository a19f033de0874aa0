"""What operators read: one JSON object a line for each thing worth knowing.

Owns the form of a line. Modules log through the standard `logging`: the message
is the event's name, and `fields` makes its fields:

    _LOGGER.warning("receipt_not_stored", extra=fields(requestId=…, cause=str(error)))

Ordinary requests leave no line, as Cloudflare's invocation logs have them. Refuses to
write what an unexpected exception says, which may be somebody's data: only of
what type it is, and where it was raised.
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
    """Make the `extra` of a logging call: the fields of its event, in camel case."""
    return {_ATTRIBUTE: values}


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the level, the event, where it is from, its fields and its exception."""
        fields = getattr(record, _ATTRIBUTE, None)
        line: dict[str, Json] = {"level": record.levelname.lower()}
        if fields is None:
            # Not one of ours: asyncio and the like speak in sentences.
            line |= {"event": "message", "message": _cut(record.getMessage())}
        else:
            line["event"] = record.getMessage()
        line["logger"] = record.name
        line |= {name: _cut(value) for name, value in (fields or {}).items() if value is not None}
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            line["exception"] = {"type": kind.__qualname__, "stack": _places(trace)}
        return json.dumps(line, separators=(",", ":"), default=str)


class LineHandler(logging.Handler):
    """Hands each line to `write`, together with its level's name in lower case."""

    def __init__(self, write: Callable[[str, str], None]) -> None:
        """Take what writes a line."""
        super().__init__()
        self._write = write
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._write(record.levelname.lower(), self.format(record))


def set_up(write: Callable[[str, str], None]) -> None:
    """Let everything that is logged, from `info` up, and every warning of Python go to `write`."""
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [LineHandler(write)]
    root.setLevel(logging.INFO)


def _cut(value: Json) -> Json:
    return value[:FIELD_LENGTH_MAX] if isinstance(value, str) else value


def _places(trace: TracebackType | None) -> list[str]:
    """Name where an exception came by, as `FILE:LINE FUNCTION`, the innermost first."""
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        file = code.co_filename.rpartition("/")[2]
        places.append(f"{file}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[: -_FRAMES_MAX - 1 : -1]
