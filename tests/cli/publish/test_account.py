"""Publishing to an account: the order of requests, and failures."""

import asyncio
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

from cli import account_api
from cli.account_api import open_account
from cli.commands import apis, publish, show, unpublish
from cli.secret import Secret
from cli.targets import Account
from tests.cli.command import Ran, clawr_inside
from tests.cloudflare import faults
from tests.cloudflare.fake_account import ACCOUNT, TOKEN, FakeAccount
from tests.cloudflare.faults import Fault

CODE = "export default { fetch: () => new Response('hello') };\n"


class Publisher:
    """Runs commands on the fake account, with one Worker to publish."""

    def __init__(self, fake_account: FakeAccount, folder: Path) -> None:
        self.fake_account, self.folder = fake_account, folder
        (folder / "hello.js").write_text(CODE)

    def __call__(self, *arguments: str, **settings: str) -> Ran:
        return clawr_inside(
            *arguments, settings={**self.fake_account.settings, **settings}, folder=self.folder
        )

    def publish(self, *more: str) -> Ran:
        return self("publish", "hello.js", "--slug", "hello", "--host", "a.example", *more)

    def changes(self) -> list[str]:
        """Return the changes since the last call, as method and key or script."""
        sent = [one for one in self.fake_account.requests if one.method in ("PUT", "DELETE")]
        self.fake_account.requests.clear()
        return [f"{one.method} {_subject(one.path, one.document)}" for one in sent]


def _subject(path: str, document: object) -> str:
    if path.endswith("/bulk") and isinstance(document, list):
        return ", ".join(one["key"] for one in document)
    return re.split("/(?:values|scripts)/", unquote(path))[-1]


@pytest.fixture
def publisher(fake_account: FakeAccount, tmp_path: Path) -> Publisher:
    """An account with a dispatch namespace and a directory."""
    fake_account.namespaces.create("clawr")
    asyncio.run(fake_account.kv.create("TENANT_KV"))
    return Publisher(fake_account, tmp_path)


STEPS = ["PUT hello", "PUT publication/hello", "PUT tenant/hello", "PUT host/a.example"]


def test_the_script_is_written_before_the_record_and_the_record_before_its_host(
    publisher: Publisher,
) -> None:
    assert publisher.publish("--execute").code == 0
    assert publisher.changes() == STEPS
    assert publisher("unpublish", "hello", "--execute").code == 0
    assert publisher.changes() == [
        "DELETE host/a.example",
        "DELETE tenant/hello",
        "DELETE publication/hello",
        "DELETE extensions/hello",
    ]


def test_nothing_is_changed_without_execute_or_a_second_time(publisher: Publisher) -> None:
    assert publisher.publish().code == 0
    assert publisher.changes() == []
    publisher.publish("--execute")
    publisher.changes()
    assert "nothing changes" in publisher.publish("--execute").out
    assert publisher.changes() == []


def test_only_differences_are_sent(publisher: Publisher) -> None:
    publisher.publish("--execute")
    publisher.changes()
    publisher.publish("--execute", "--price", "0.01")
    assert publisher.changes() == ["PUT publication/hello", "PUT tenant/hello"]
    publisher.publish("--execute", "--description", "Says hello")
    assert publisher.changes() == ["PUT tenant/hello"]
    (publisher.folder / "hello.js").write_text(CODE.replace("hello", "bye"))
    publisher.publish("--execute")
    assert publisher.changes() == ["PUT hello", "PUT publication/hello"]
    shown = publisher("show", "hello", "--json").document["record"]
    assert (shown["priceUsd"], shown["description"]) == ("0.01", "Says hello")


@pytest.mark.parametrize("done", range(len(STEPS)))
def test_the_same_command_completes_an_interrupted_run(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    monkeypatch.setattr(account_api, "RETRIES", 0)
    publisher.fake_account.fail("PUT", "*", faults.INTERNAL, first=done + 1)
    ran = publisher.publish("--execute")
    assert (ran.code, "Completed steps are not repeated" in ran.err) == (6, True)
    publisher.changes()
    assert publisher.publish("--execute").code == 0
    assert publisher.changes() == STEPS[done:]
    assert publisher.publish().out.startswith("hello is up to date")


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (faults.UNAUTHORIZED, 3, "Cloudflare rejected the token"),
        (faults.FORBIDDEN, 3, "The token lacks a permission"),
        (faults.CONFLICT, 5, "The resource conflicts"),
        (faults.RATE_LIMITED, 7, "Cloudflare's rate limit"),
        (faults.TOO_MANY_KV_WRITES, 7, "a limit of the account is reached"),
        (faults.INTERNAL, 6, "Cloudflare's API failed with status 500"),
        (faults.BAD_GATEWAY, 6, "Cloudflare's API failed with status 502"),
        (faults.INVALID_SCRIPT, 8, "Uncaught SyntaxError"),
        (faults.TOO_LARGE, 1, "exceeded the size limit"),
        (faults.CUT, 6, "could not be reached"),
    ],
)
def test_a_failed_upload_is_explained_and_leaves_no_record(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, fault: Fault, code: int, told: str
) -> None:
    monkeypatch.setattr(account_api, "RETRIES", 0)
    publisher.fake_account.fail("PUT", "*/scripts/hello", fault)
    ran = publisher.publish("--execute")
    assert (ran.code, told in ran.err) == (code, True), ran.err
    assert "Traceback" not in ran.err
    assert publisher.fake_account.token not in ran.err + ran.out
    assert publisher.changes() == ["PUT hello"]


@pytest.mark.parametrize(
    ("code", "told", "advised"),
    [
        ("export default {\n  fetch( };", "index.js:2", "Correct the script"),
        ("import x from 'lodash';\n" + CODE, 'No such module "lodash"', "esbuild"),
        ("import x from './parts/x.js';\n" + CODE, 'No such module "parts/x.js"', "Add the file"),
        ("addEventListener('fetch', () => {});", "no registered event handlers", "export default"),
    ],
)
def test_a_script_that_does_not_load_leaves_the_old_version(
    publisher: Publisher, code: str, told: str, advised: str
) -> None:
    publisher.publish("--execute")
    publisher.changes()
    (publisher.folder / "hello.js").write_text(code)
    ran = publisher.publish("--execute", "--price", "0.01")
    assert ran.code == 8
    assert told.replace("index.js", "hello.js") in ran.err
    assert advised in ran.err
    assert publisher.changes() == ["PUT hello"]
    script = publisher.fake_account.namespaces.scripts("clawr").read("hello")
    assert script is not None
    assert script.modules[0].content.decode() == CODE


def test_a_python_script_is_uploaded_with_the_sdk_and_modules_in_folders(
    publisher: Publisher,
) -> None:
    folder = publisher.folder / "sums"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "sums.py").write_text("def add(a, b):\n    return a + b\n")
    (folder / "main.py").write_text(
        "from parts.sums import add\nfrom workers import Response, WorkerEntrypoint\n\n"
        "class Default(WorkerEntrypoint):\n"
        "    async def fetch(self, request):\n        return Response(str(add(1, 2)))\n"
    )
    ran = publisher("publish", "sums", "--slug", "sums", "--execute")
    assert ran.code == 0, ran.err
    assert publisher.changes()[0] == "PUT sums"


@pytest.mark.parametrize(("times", "code"), [(1, 0), (2, 8)])
def test_a_startup_that_takes_too_long_is_tried_twice(
    publisher: Publisher, times: int, code: int
) -> None:
    publisher.fake_account.fail("PUT", "*/scripts/hello", faults.SLOW_STARTUP, times=times)
    ran = publisher.publish("--execute")
    assert ran.code == code
    assert ("two attempts" in ran.err) == (code == 8)
    assert publisher.changes()[:2] == ["PUT hello", "PUT hello"]


def test_a_temporary_failure_is_retried(publisher: Publisher) -> None:
    publisher.fake_account.fail("PUT", "*/scripts/hello", faults.UNAVAILABLE)
    assert publisher.publish("--execute").code == 0
    assert publisher.changes() == [STEPS[0], *STEPS]


def test_a_secret_is_uploaded_as_a_secret_and_shown_by_name(publisher: Publisher) -> None:
    wrap = ("publish", "--wrap", "https://api.example.com", "--slug", "wrapped")
    ran = publisher(*wrap, "--secret-header", "x-key=KEY", "--execute", KEY="swordfish")
    assert ran.code == 0, ran.err
    assert "binding SECRET_HEADER_1 (secret_text)" in ran.out
    assert "swordfish" not in ran.out + ran.err
    upload, *others = [one for one in publisher.fake_account.requests if one.method == "PUT"]
    assert upload.metadata["bindings"] == [
        {"type": "secret_text", "name": "SECRET_HEADER_1", "text": "swordfish"}
    ]
    parts = {one.file_name: one for one in upload.parts if one.file_name}
    assert parts["index.js"].content_type == "application/javascript+module"
    assert not any(b"swordfish" in one.content for one in parts.values())
    assert not any(b"swordfish" in one.body for one in others)


def test_another_script_is_replaced_only_with_the_option(
    publisher: Publisher,
) -> None:
    publisher.publish("--execute")
    publisher("unpublish", "hello", "--execute")
    publisher.changes()
    other = ("publish", "hello.js", "--slug", "other", "--script", "hello", "--execute")
    ran = publisher(*other)
    assert (ran.code, "--replace-script" in ran.err) == (5, True)
    assert publisher.changes() == []
    assert publisher(*other, "--replace-script").code == 0


def test_a_script_shared_by_apis_is_detected_as_changed(publisher: Publisher) -> None:
    (publisher.folder / "other.js").write_text(CODE.replace("hello", "bye"))
    both = ("--script", "hello", "--tenant-id", "t-1", "--execute")
    first = ("publish", "hello.js", "--slug", "first", *both)
    publisher(*first)
    shared = publisher("publish", "other.js", "--slug", "second", *both)
    assert "The script is also used by first." in shared.out
    shown = publisher("show", "first", "--json").document
    assert shown["problems"] == ["the script hello was changed since it was published"]
    assert publisher(*first, "--json").document["script"]["state"] == "replaced"


def test_every_example_of_the_help_works(publisher: Publisher) -> None:
    folder = publisher.folder
    (folder / "demo.csv").write_text("code,name\nZRH,Zürich\n")
    (folder / "data.json").write_text('[{"a": 1}]')
    (folder / "record.json").write_text('{"plan": "pro", "owner": "@ada"}')
    (folder / "worker").mkdir()
    (folder / "worker" / "index.js").write_text(CODE)
    for module in (publish, apis, show, unpublish):
        for line in module.EXAMPLES.split("\n\n")[1:]:
            program, *arguments = [one for one in shlex.split(line.strip("`")) if one != "--local"]
            if "--delete-script" in arguments:
                # It would wait until no request can reach the script.
                arguments.remove("--execute")
            ran = publisher(*arguments, WEATHER_KEY="swordfish")
            # The last example is of an API that the one before it unpublished.
            is_unpublished = "--delete-script" in arguments
            assert (program, ran.code) == ("clawr", 4 if is_unpublished else 0), (line, ran.err)


def test_a_note_says_that_the_urls_query_is_not_secret(publisher: Publisher) -> None:
    wrap = ("publish", "--wrap", "https://api.example.com/?key=1", "--slug", "wrapped")
    assert "Use --secret-header for keys" in publisher(*wrap).out


def test_private_networks_cannot_be_wrapped_on_an_account(publisher: Publisher) -> None:
    wrap = ("publish", "--wrap", "http://127.0.0.1:9000", "--slug", "wrapped", "--allow-private")
    ran = publisher(*wrap)
    assert (ran.code, "needs --local" in ran.err) == (2, True)


def test_a_missing_directory_is_an_error(publisher: Publisher) -> None:
    ran = publisher("apis", "--tenant-kv-id", "0" * 32)
    assert ran.code == 4
    publisher.fake_account.fail("GET", "*/storage/kv/namespaces", faults.FORBIDDEN)
    assert publisher("apis").code == 3


def test_invalid_records_are_listed_with_the_reasons(
    publisher: Publisher,
) -> None:
    (publisher.folder / "hello.js").write_text(CODE)
    publisher.publish("--execute", "--category", "[bold]Travel")
    publisher("publish", "hello.js", "--slug", "other", "--execute")
    namespace = asyncio.run(publisher.fake_account.kv.namespaces())[0].id
    with open_account(Account(publisher.fake_account.url, ACCOUNT, Secret(TOKEN))) as client:
        client.kv.namespaces.bulk_update(
            namespace,
            account_id=ACCOUNT,
            body=[{"key": "tenant/broken", "value": '{"slug": "broken", "plan": "gold"}'}],
        )
    ran = publisher("apis")
    assert ran.code == 0
    assert "broken: plan must be one of" in ran.out
    assert "[bold]Travel" in ran.out
    shown = publisher("show", "broken", "--json").document
    assert any("tenantId must be" in one for one in shown["problems"])
