"""The log lines of a test, in the format of the Worker."""

import json
from typing import Any

import pytest

from core.logs import JsonFormatter


def log_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Every line, parsed; each is one line and one object."""
    texts = [JsonFormatter().format(record) for record in caplog.records]
    assert not any("\n" in text for text in texts)
    return [json.loads(text) for text in texts]
