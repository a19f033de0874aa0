"""Counts bytecode instructions by function, inside the Worker's interpreter.

The inspector runs it as source in the Worker: `begin()` before the counted code, `end()` after
it.
"""

import json
import sys
from types import CodeType

from js import globalThis

TOOL = 3
_monitoring = sys.monitoring  # type: ignore[attr-defined] # newer than the host's Python
_EVENT = _monitoring.events.INSTRUCTION
_counts: dict[CodeType, int] = {}


def _count(code: CodeType, _offset: int) -> None:
    _counts[code] = _counts.get(code, 0) + 1


_monitoring.use_tool_id(TOOL, "instructions")
_monitoring.register_callback(TOOL, _EVENT, _count)


def begin() -> None:
    """Reset the counts and start."""
    _counts.clear()
    _monitoring.set_events(TOOL, _EVENT)


def end() -> None:
    """Stop, and store file, function and count of each as JSON for the inspector."""
    _monitoring.set_events(TOOL, 0)
    rows = [(code.co_filename, code.co_qualname, count) for code, count in _counts.items()]
    globalThis.clawrOutput = json.dumps([row for row in rows if row[0] != "<string>"])
