"""What schemathesis does beside its own checks; it loads this module by name.

It looks for headers that nobody described, and counts what was answered. The count goes to
the file that `FUZZ_TALLY` names.
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

_answers: Counter[str] = Counter()
_lock = threading.Lock()


@schemathesis.check
def no_undescribed_header(
    ctx: schemathesis.CheckContext,  # noqa: ARG001
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> None:
    """Every header of an answer is described with its status, or is HTTP's own."""
    answers = case.operation.definition.raw["responses"]
    answer = answers.get(str(response.status_code))
    if answer is None:
        # A script's own answer; that it may be one is another check's business.
        return
    if "$ref" in answer:
        name = answer["$ref"].rpartition("/")[2]
        answer = case.operation.schema.raw_schema["components"]["responses"][name]
    described = {name.lower() for name in answer["headers"]}
    extra = {name.lower() for name in response.headers} - described - set(TRANSPORT)
    assert not extra, f"{response.status_code} has undescribed headers: {sorted(extra)}"


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext,  # noqa: ARG001
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> None:
    """Count an answer by the route and the method that were asked."""
    with _lock:
        _answers[f"{case.method} {case.operation.path} {response.status_code}"] += 1


@atexit.register
def _write_tally() -> None:
    path = os.environ.get("FUZZ_TALLY")
    if path is not None:
        Path(path).write_text(json.dumps(_answers))
