"""`clawr publish`, `unpublish`, `apis` and `show` on a running `make dev`."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from dev.layout import HERE
from tests.cli.command import clawr

from .documented import commands, write_files
from .local import Local
from .upstream import running_upstream

PAGE = HERE.root / "docs" / "publish.md"
SECONDS_MAX = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page."""
    folder = tmp_path_factory.mktemp("publish")
    write_files(PAGE, folder)
    return folder


@pytest.fixture(scope="module")
def here(local: Local, folder: Path) -> Local:
    """Commands that run in that folder."""
    return replace(local, folder=folder)


def test_every_command_of_the_page_works(here: Local) -> None:
    for shown in commands(PAGE):
        if shown.program == "curl":
            answer = httpx.get(shown.arguments[-1].replace("http://localhost:8787", here.url))
            assert answer.text in PAGE.read_text(encoding="utf-8")
            continue
        # test_unpublish.py runs the command that waits for half a minute.
        arguments = [one for one in shown.arguments if one != "--local"]
        if "--delete-script" in arguments:
            arguments.remove("--execute")
        ran = here(*arguments, **shown.settings)
        assert ran.code == 0, (arguments, ran.out, ran.err)


def test_the_plan_says_why_a_column_is_text_as_the_page_shows_it(here: Local) -> None:
    (example,) = re.findall(
        r"^```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    shown = here("publish", "prices.csv", "--slug", "unread")
    assert set(example.splitlines()) <= set(shown.out.splitlines())


def test_a_priced_dataset_requires_payment(here: Local) -> None:
    asked = ("publish", "airports.csv", "--slug", "sold", "--execute", "--price", "0.001")
    document = here.done(*asked, "--pay-to", "0x" + "1" * 40)
    assert document["call"]["status"] == 402
    assert here.get("sold").status_code == 402
    row = next(one for one in here.done("apis")["apis"] if one["slug"] == "sold")
    assert (row["isPriced"], row["priceUsd"], row["script"]) == (True, "0.001", "sold")


def test_a_free_dataset_is_served(here: Local) -> None:
    document = here.done("publish", "airports.csv", "--slug", "open", "--execute")
    assert document["call"]["status"] == 200
    page = here.get("open", params={"country": "CH", "sort": "-opened"}).json()
    assert [row["code"] for row in page["rows"]] == ["ZRH", "GVA"]


def test_a_second_run_changes_nothing(here: Local) -> None:
    asked = ("publish", "airports.csv", "--slug", "twice", "--host", "twice.example", "--execute")
    first = here.done(*asked)
    second = clawr(*asked, *here.where, "--json", folder=here.folder).document
    assert (first["changed"], first["isNew"], first["script"]["state"]) == (True, True, "new")
    assert (second["changed"], second["script"]["state"], second["changes"]) == (
        False,
        "unchanged",
        [],
    )
    assert "nothing changes" in here(*asked).out


def test_a_run_without_execute_changes_nothing(here: Local) -> None:
    document = here.done("publish", "airports.csv", "--slug", "planned")
    assert (document["executed"], document["changed"], document["call"]) == (False, True, None)
    assert {one["name"] for one in document["script"]["modules"]} >= {"index.js", "rows.txt"}
    assert here("show", "planned").code == 4


def test_hosts_are_added_and_removed(here: Local) -> None:
    asked = ("publish", "hello.js", "--slug", "hosted", "--execute")
    here.done(*asked, "--host", "One.Example", "--host", "two.example")
    called = httpx.get(f"{here.url}/deep", headers={"host": "one.example"})
    assert called.text == "hello from /deep\n"
    moved = here.done(*asked, "--host", "two.example")
    assert moved["hosts"] == {"added": [], "removed": ["one.example"]}
    shown = here.done("show", "hosted")
    assert (shown["record"]["hosts"], shown["problems"]) == (["two.example"], [])
    again = here("publish", "hello.js", "--slug", "thief", "--host", "two.example", "--execute")
    assert (again.code, "two.example belongs to hosted" in again.err) == (5, True)


def test_resources_of_others_are_a_conflict(here: Local) -> None:
    here.done("publish", "hello.js", "--slug", "owned", "--tenant-id", "t-1", "--execute")
    taken = here("publish", "hello.js", "--slug", "owned", "--tenant-id", "t-2", "--execute")
    assert (taken.code, "belongs to t-1" in taken.err) == (5, True)
    script = here("publish", "hello.js", "--slug", "else", "--script", "owned", "--execute")
    assert script.code == 5
    shared = ("publish", "hello.js", "--slug", "sister", "--script", "owned")
    assert here.done(*shared, "--tenant-id", "t-1", "--execute")["changed"]
    kept = here.done("unpublish", "owned", "--delete-script")
    assert kept["script"] == {"name": "owned", "deleted": False, "alsoOf": ["sister"]}
    assert here("unpublish", "owned", "--tenant-id", "t-2", "--execute").code == 5


def test_a_wrapped_server_gets_its_secret(here: Local) -> None:
    with running_upstream() as upstream:
        asked = ("publish", "--wrap", f"{upstream.url}/v1", "--slug", "wrapped-up", "--execute")
        secret = ("--secret-header", "x-api-key=KEY", "--allow-private")
        ran = here(*asked, *secret, KEY="swordfish")
        assert ran.code == 0, ran.err
        assert "swordfish" not in ran.out + ran.err
        assert here.get("wrapped-up/a").json()["path"] == "/v1/a"
        assert upstream.seen[-1]["headers"]["x-api-key"] == "swordfish"
        assert "swordfish" not in json.dumps(here.done("show", "wrapped-up"))
        # A changed value is not detected, and is uploaded with --renew-secrets.
        again = here.done(*asked, *secret, KEY="marlin")
        assert not again["changed"]
        assert "--renew-secrets" in " ".join(again["notes"])
        here.done(*asked, *secret, "--renew-secrets", KEY="marlin")
        deadline = time.monotonic() + SECONDS_MAX
        while upstream.seen[-1]["headers"]["x-api-key"] != "marlin":
            assert time.monotonic() < deadline
            here.get("wrapped-up/a")


def test_a_private_address_needs_an_option(here: Local) -> None:
    ran = here("publish", "--wrap", "http://127.0.0.1:9000", "--slug", "closed-up")
    assert (ran.code, "--wrap: not on the public internet" in ran.err) == (2, True)


def test_all_mistakes_are_reported_at_once(here: Local, folder: Path) -> None:
    (folder / "bad.csv").write_text("a,a\n1\n1,2,3\n")
    ran = here("publish", "bad.csv", "--slug", "Bad", "--plan", "gold", "--execute", "--json")
    assert ran.code == 2
    told = [(one["place"], one["line"]) for one in ran.document["findings"]]
    assert told == [
        ("--slug", None),
        ("--plan", None),
        ("bad.csv", 2),
        ("bad.csv", 3),
    ]


def test_a_payee_on_another_chain_than_the_dispatchers_is_reported(
    here: Local, folder: Path
) -> None:
    (folder / "elsewhere.csv").write_text("a\n1\n", encoding="utf-8")
    payee = "7ZG9juKTJqLpxw5bjRigj7GVrrFzh3DjbChTv8muBP71"
    options = ("--slug", "elsewhere", "--price", "0.01", "--pay-to", payee)
    for more in ((), ("--execute",)):
        ran = here("publish", "elsewhere.csv", *options, *more)
        assert ran.code == 2, ran.out + ran.err
        assert "In the record of elsewhere it must be an address on eip155:84532" in ran.err
        assert "Nothing was sent" in ran.err
    assert here("show", "elsewhere").code == 4
