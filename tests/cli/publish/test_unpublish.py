"""`clawr unpublish`: an API that is gone for callers, and its script only then."""

import json
import subprocess
from pathlib import Path

from .local import Local

CODE = "export default { fetch: () => new Response('hello') };\n"
SECONDS_MAX = 60


def test_what_is_not_published_cannot_be_unpublished(local: Local) -> None:
    ran = local("unpublish", "never", "--execute")
    assert (ran.code, "Nothing is published as never" in ran.err) == (4, True)


def test_a_run_without_execute_changes_nothing(local: Local, tmp_path: Path) -> None:
    (tmp_path / "kept.js").write_text(CODE)
    local.done("publish", tmp_path / "kept.js", "--slug", "kept", "--execute")
    document = local.done("unpublish", "kept", "--delete-script")
    assert (document["executed"], document["script"]["deleted"]) == (False, True)
    assert local.done("show", "kept")["problems"] == []


def test_its_script_stays_unless_that_is_said(local: Local, tmp_path: Path) -> None:
    (tmp_path / "left.js").write_text(CODE)
    local.done("publish", tmp_path / "left.js", "--slug", "left", "--execute")
    assert not local.done("unpublish", "left", "--execute")["script"]["deleted"]
    assert (local.state / "uploads" / "left").is_dir()
    # Its tag says whose it was, so that it may be published again.
    assert local.done("publish", tmp_path / "left.js", "--slug", "left", "--execute")["isNew"]


def test_what_was_unpublished_is_found_no_more(
    local: Local, withdrawing: subprocess.Popen[str]
) -> None:
    out, _ = withdrawing.communicate(timeout=SECONDS_MAX)
    document = json.loads(out)
    assert document["script"] == {"name": "gone", "deleted": True, "alsoOf": []}
    assert document["hosts"] == ["gone.example"]
    answer = local.get("gone")
    assert (answer.status_code, answer.json()["error"]) == (404, "tenant_not_found")
    assert not (local.state / "uploads" / "gone").exists()
    assert local("show", "gone").code == 4
