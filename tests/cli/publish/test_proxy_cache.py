"""The cache of a wrapped API, in a runtime that has one, as production does."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.publish.scripts.wrap import Wrapping, wrap_bundle
from dev.layout import HERE
from dev.setup.node import find_node

CONTROL = "private, max-age=30"


def call(folder: Path, calls: Sequence[Mapping[str, Any]]) -> list[tuple[str, str | None]]:
    """Return body and `Cache-Control` of each response; the body counts the target's requests."""
    wrapping = Wrapping("https://api.example.com/v1", methods=("GET", "POST"), cache_seconds=30)
    for module in wrap_bundle(wrapping, {}, CONTROL).modules:
        (folder / module.name).write_bytes(module.content)
    ran = subprocess.run(
        [find_node(HERE), Path(__file__).with_name("cached_responses.mjs"), folder],
        input="\n".join(map(json.dumps, calls)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "CLOUDFLARE_CF_FETCH_ENABLED": "false"},
    )
    assert ran.returncode == 0, ran.stderr
    return [(one["body"], one["cacheControl"]) for one in json.loads(ran.stdout)]


def test_a_response_is_cached_for_equal_requests_only(tmp_path: Path) -> None:
    json_only = {"headers": {"accept": "application/json"}}
    answers = call(
        tmp_path,
        [
            {"path": "/a"},
            {"path": "/a"},
            {"path": "/a?x=1"},
            {"path": "/a", **json_only},
            {"path": "/a", "method": "POST"},
            {"path": "/private"},
            {"path": "/private"},
            {"path": "/missing"},
            {"path": "/missing"},
            {"path": "/varying"},
            {"path": "/varying"},
        ],
    )
    bodies = [body for body, _ in answers]
    assert bodies == ["1", "1", "2", "3", "4", "1", "2", "1", "2", "1", "2"]
    # Callers get the configured header, whether the response came from the cache or not.
    assert [control for _, control in answers[:3]] == [CONTROL] * 3
    assert answers[5][1] == "private"
