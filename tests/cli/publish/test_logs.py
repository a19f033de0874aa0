"""`clawr logs` on a running `make dev`; what `clawr show` and `clawr doctor` say of failures."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.command import clawr_running
from tests.e2e.caller import eventually

from .local import Local

SPEAKER = """export default {
	fetch(request) {
		const { pathname } = new URL(request.url);
		console.log("called", pathname);
		if (pathname === "/fail") fail();
		if (pathname === "/late") for (const end = Date.now() + 200; Date.now() < end; );
		return new Response("ok");
	},
};
function fail() {
	throw new TypeError("broken part");
}
"""


@pytest.fixture(scope="module")
def here(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Local:
    """Commands in a folder with a Worker, which is published."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "speaker.js").write_text(SPEAKER)
    here = replace(local, folder=folder)
    here.done("publish", "speaker.js", "--execute")
    return here


def logged(here: Local, path: str) -> dict[str, Any]:
    """Wait until a request is in the log, and return it."""

    def found() -> dict[str, Any] | None:
        requests = here.done("logs", "speaker", "--limit", "100")["requests"]
        return next((one for one in requests if one["path"] == path), None)

    return eventually(found, f"{path} is logged")


def test_a_request_is_logged_with_what_the_script_printed(here: Local) -> None:
    assert here.get("speaker/said?x=1").text == "ok"
    found = logged(here, "/said?x=1")
    assert (found["method"], found["status"], found["outcome"]) == ("GET", 200, "ok")
    assert found["logs"] == [{"level": "log", "text": "called /said"}]


def test_an_exception_is_logged_with_its_stack(here: Local) -> None:
    assert here.get("speaker/fail").status_code == 502
    (exception,) = logged(here, "/fail")["exceptions"]
    assert exception.startswith("TypeError: broken part\n    at fail (speaker")
    assert ":11:8)" in exception
    shown = here("logs", "speaker", "--errors").out
    assert "GET /fail  threw an exception" in shown
    assert "at fail (" in shown
    assert "/said" not in shown


def test_show_and_doctor_say_why_an_api_fails(here: Local) -> None:
    here.get("speaker/fail")
    here.get("speaker/late")
    logged(here, "/late")

    def problems() -> str:
        return "\n".join(here.done("show", "speaker")["problems"])

    eventually(lambda: "exceeded its limits of 50 ms CPU" in problems(), "the limit is named")
    assert "its script threw an exception" in problems()
    shown = here("show", "speaker").out
    assert "last exception" in shown
    report = here("doctor", "--json").document
    (check,) = [one for one in report["checks"] if one["name"] == "speaker"]
    assert (check["state"], "failed today" in check["said"]) == ("warning", True)
    assert "clawr logs speaker" in check["remedy"]


def test_a_script_that_is_missing_is_named(here: Local) -> None:
    here.done("publish", "speaker.js", "--slug", "moved", "--execute")
    (here.state / "uploads" / "moved").unlink()

    def lines() -> str:
        here.get("moved")
        return here("logs", "moved").out

    eventually(lambda: "the script is missing" in lines(), "the request is logged")
    assert "the namespace clawr has no script moved" in here.done("show", "moved")["problems"]
    report = here("doctor", "--json")
    assert report.code == 8
    assert any(
        one["name"] == "moved" and one["state"] == "failed" for one in report.document["checks"]
    )
    here.done("unpublish", "moved", "--execute")


def test_new_requests_are_followed_as_they_happen(here: Local) -> None:
    stopped = threading.Event()

    def call() -> None:
        # The command skips what was logged before it started.
        while not stopped.wait(0.2):
            here.get("speaker/followed")

    caller = threading.Thread(target=call)
    with clawr_running("logs", "speaker", "-f", "-n", "0", "--json", *here.where) as process:
        assert process.stdout is not None
        caller.start()
        try:
            found = [json.loads(process.stdout.readline()) for _ in range(2)]
        finally:
            stopped.set()
            caller.join()
    assert {one["path"] for one in found} == {"/followed"}
    assert found[0]["at"] < found[1]["at"]


def test_an_unknown_api_has_no_log(here: Local) -> None:
    ran = here("logs", "nobody")
    assert (ran.code, "nobody is not published" in ran.err) == (4, True)
    assert here("logs", "speaker", "--since", "soon").code == 2
    assert here("logs", "speaker", "--since", "1s").code == 0
