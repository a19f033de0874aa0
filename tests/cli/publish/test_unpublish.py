"""`clawr unpublish` removes an API, and its script only when no request can reach it."""

import json
import subprocess
from pathlib import Path

from .local import Local

CODE = "export default { fetch: () => new Response('hello') };\n"
SECONDS_MAX = 60


def test_an_unknown_slug_is_an_error(local: Local) -> None:
    ran = local("unpublish", "never", "--execute")
    assert (ran.code, "never is not published" in ran.err) == (4, True)


def test_a_run_without_execute_changes_nothing(local: Local, tmp_path: Path) -> None:
    (tmp_path / "staying.js").write_text(CODE)
    local.done("publish", tmp_path / "staying.js", "--slug", "staying", "--execute")
    document = local.done("unpublish", "staying", "--delete-script")
    assert (document["executed"], document["script"]["deleted"]) == (False, True)
    assert local.done("show", "staying")["problems"] == []


def test_the_script_is_kept_by_default(local: Local, tmp_path: Path) -> None:
    (tmp_path / "left.js").write_text(CODE)
    local.done("publish", tmp_path / "left.js", "--slug", "left", "--execute")
    assert not local.done("unpublish", "left", "--execute")["script"]["deleted"]
    assert (local.state / "uploads" / "left").is_dir()
    # Its tag names the API, so that it can be published again.
    assert local.done("publish", tmp_path / "left.js", "--slug", "left", "--execute")["isNew"]


def test_an_unpublished_api_is_gone(local: Local, unpublishing: subprocess.Popen[str]) -> None:
    out, _ = unpublishing.communicate(timeout=SECONDS_MAX)
    document = json.loads(out)
    assert document["script"] == {"name": "gone", "deleted": True, "alsoOf": []}
    assert document["hosts"] == ["gone.example"]
    answer = local.get("gone")
    assert (answer.status_code, answer.json()["error"]) == (404, "tenant_not_found")
    assert not (local.state / "uploads" / "gone").exists()
    assert local("show", "gone").code == 4
