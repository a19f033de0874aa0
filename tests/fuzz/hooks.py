"""Hooks for schemathesis, which loads this module by name.

They check for undescribed headers, and count the responses into the file `FUZZ_COUNTS`.
"""

import atexit
import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis

from dev.openapi.error_schemas import TRANSPORT

_responses: Counter[str] = Counter()
_lock = threading.Lock()


@schemathesis.check
def no_undescribed_header(
    ctx: schemathesis.CheckContext,  # noqa: ARG001
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> None:
    """Every header of a response is described with its status, or added by HTTP."""
    responses = case.operation.definition.raw["responses"]
    described = responses.get(str(response.status_code))
    if described is None:
        # A script's response; another check decides whether a script may respond here.
        return
    if "$ref" in described:
        name = described["$ref"].rpartition("/")[2]
        described = case.operation.schema.raw_schema["components"]["responses"][name]
    names = {name.lower() for name in described["headers"]}
    extra = {name.lower() for name in response.headers} - names - set(TRANSPORT)
    assert not extra, f"{response.status_code} has undescribed headers: {sorted(extra)}"


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext,  # noqa: ARG001
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> None:
    """Count a response by method, route and status."""
    with _lock:
        _responses[f"{case.method} {case.operation.path} {response.status_code}"] += 1


@atexit.register
def _write_counts() -> None:
    path = os.environ.get("FUZZ_COUNTS")
    if path is not None:
        Path(path).write_text(json.dumps(_responses))
