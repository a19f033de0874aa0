"""Publishing again on a running `make dev`: what is not given stays, and others' APIs are safe."""

import os
import pty
import subprocess
from dataclasses import replace

import pytest

from cli.completion import complete_category, complete_plan, complete_slug
from tests.cli.command import CLAWR, clawr_inside

from .local import Local

PAY_TO = ("--pay-to", "0x" + "1" * 40)
DATA = "code,name\nZRH,Zürich\nGVA,Genève\n"


@pytest.fixture(scope="module")
def here(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Local:
    """Commands in a folder with a dataset and Workers."""
    folder = tmp_path_factory.mktemp("republish")
    (folder / "codes.csv").write_text(DATA, encoding="utf-8")
    (folder / "My Codes.2026.csv").write_text(DATA, encoding="utf-8")
    return replace(local, folder=folder)


def test_every_option_keeps_its_value(here: Local) -> None:
    given = (
        *("--slug", "kept", "--price", "0.01", "--description", "Codes", "--owner", "@ada"),
        *("--category", "Travel", "--plan", "pro", "--cpu-ms", "20", "--rate-limit", "5/10s"),
        *("--daily-requests", "7", "--monthly-spend", "3", "--route", "/rows/*=0.02"),
        *PAY_TO,
        *("--host", "kept.example", "--id", "code"),
        *("--cache-seconds", "5"),
    )
    here.done("publish", "codes.csv", *given, "--execute")
    before = here.done("show", "kept")
    again = here.done("publish", "codes.csv", "--slug", "kept", "--execute")
    assert (again["changed"], again["changes"]) == (False, [])
    changed = here.done("publish", "codes.csv", "--slug", "kept", "--owner", "@bob", "--execute")
    assert [one["field"] for one in changed["changes"]] == ["owner"]
    after = here.done("show", "kept")
    assert after["record"] == {**before["record"], "owner": "@bob"}
    assert after["about"]["id"] == "code"


def test_settings_are_removed_by_name(here: Local) -> None:
    asked = ("publish", "codes.csv", "--slug", "cleared", *PAY_TO, "--execute")
    here.done(*asked, "--price", "0.01", "--description", "x", "--cpu-ms", "9", "--id", "code")
    free = here.done(*asked, "--price", "0", "--clear", "description", "--clear", "id")
    assert free["record"].keys() & {"priceUsd", "x402Enabled", "description"} == set()
    assert (free["record"]["limits"], free["about"]["id"]) == ({"cpuMs": 9}, None)
    assert free["priceChanges"] == [
        {"price": "price", "before": "$0.01 a request", "after": "free"}
    ]
    listed = here("publish", "codes.csv", "--slug", "cleared", "--clear", "slug")
    assert (listed.code, "these can: accepts, allow-private" in listed.err) == (2, True)
    # An option that follows is taken for its value.
    assert "these can: accepts" in here("publish", "codes.csv", "--clear").err
    missing = clawr_inside("publish", "codes.csv", "--clear")
    assert (missing.code, "These can be cleared: accepts" in missing.err) == (2, True)


def test_url_and_price_come_first_and_generated_modules_not_at_all(here: Local) -> None:
    shown = here("publish", "codes.csv", "--slug", "first", "--price", "0.01").out
    head, url, price, *rest = shown.splitlines()
    assert head == "first: would be published"
    assert url.split() == ["url", f"{here.url}/t/first"]
    assert price.split() == ["price", "$0.01", "a", "request"]
    assert "index.js" not in shown
    assert "  2 rows, identified by row number" in rest


def test_the_slug_is_taken_from_the_file(here: Local) -> None:
    assert here.done("publish", "My Codes.2026.csv")["slug"] == "my-codes-2026"
    for path in ("weather/index.js", "weather"):
        (here.folder / "weather").mkdir(exist_ok=True)
        (here.folder / "weather" / "index.js").write_text("export default { fetch() {} };")
        assert here.done("publish", path)["slug"] == "weather"


def test_a_demo_api_is_not_overwritten(here: Local) -> None:
    for more in ((), ("--execute",)):
        taken = here("publish", "codes.csv", "--slug", "airports", *more)
        assert taken.code == 5
        assert "airports of TENANT_DIRECTORY_JSON belongs to ten_meridian_airports" in taken.err
    script = here("publish", "codes.csv", "--slug", "mine", "--script", "digest", "--execute")
    assert (script.code, "digest of tenant ten_vaultworks_digest" in script.err) == (5, True)
    host = here("publish", "codes.csv", "--slug", "mine", "--host", "fx.demo.localhost")
    assert (host.code, "fx.demo.localhost belongs to exchange" in host.err) == (5, True)
    assert "not in TENANT_KV" in here("unpublish", "airports", "--execute").err


def test_every_live_api_is_listed_and_shown(here: Local) -> None:
    here.done("publish", "codes.csv", "--slug", "listed", "--execute")
    rows = {one["slug"]: one for one in here.done("apis")["apis"]}
    assert rows["listed"]["source"] == "TENANT_KV"
    assert rows["airports"]["source"] == "TENANT_DIRECTORY_JSON"
    shown = here.done("show", "airports")
    assert shown["record"]["tenantId"] == "ten_meridian_airports"
    assert (shown["script"]["exists"], shown["problems"]) == (True, [])


def test_completion_knows_every_live_api(here: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLAWR_URL", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE", str(here.state))
    assert [slug for slug, _ in complete_slug("airpo")] == ["airports"]
    assert [category for category, _ in complete_category("dev")] == ["Developer tools"]
    assert complete_plan("pr") == [("pro", "200 ms CPU, 50 subrequests")]


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_a_terminal_is_asked_before_a_price_changes(here: Local, answer: str, code: int) -> None:
    slug = f"asked-{answer}"
    asked = ("publish", "codes.csv", "--slug", slug, *PAY_TO, "--execute")
    here.done(*asked, "--price", "0.01")
    ours, theirs = pty.openpty()
    command = [str(CLAWR), *asked, "--price", "0.05", *here.where]
    with subprocess.Popen(
        command, cwd=here.folder, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        shown = read_all(ours)
        process.wait()
    assert process.returncode == code, shown
    assert "from $0.01 a request" in shown
    assert "to   $0.05 a request" in shown
    price = here.done("show", slug)["record"]["priceUsd"]
    assert price == ("0.05" if answer == "y" else "0.01")


def test_without_a_terminal_or_with_yes_nobody_is_asked(here: Local) -> None:
    asked = ("publish", "codes.csv", "--slug", "unasked", *PAY_TO, "--execute")
    here.done(*asked, "--price", "0.01")
    assert "$0.01 a request → $0.02 a request" in here(*asked, "--price", "0.02").out
    assert here.done(*asked, "--price", "0.03", "--yes")["prices"]["price"] == "$0.03 a request"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("bad.js", "export default {\n\tfetch( {\n}", "bad.js:3"),
        ("bad.js", "import './gone.js';\nexport default { fetch() {} };", 'module "gone.js"'),
        ("bad.js", "import 'lodash';\nexport default { fetch() {} };", 'module "lodash"'),
        ("bad.js", "addEventListener('fetch', () => {});", "no registered event handlers"),
        ("bad.js", "null.x;\nexport default { fetch() {} };", "bad.js:1"),
        ("bad.py", "def broken(:\n    pass\n", "line 1"),
        ("bad.py", "import numpy\n", "No module named 'numpy'"),
    ],
)
def test_a_script_that_does_not_load_is_not_published(
    here: Local, name: str, code: str, words: str
) -> None:
    file = here.folder / name
    slug = f"loads-{name[-2:]}"
    good = {
        "bad.js": "export default { fetch: () => new Response('old') };",
        "bad.py": "from workers import Response, WorkerEntrypoint\n\n\n"
        "class Default(WorkerEntrypoint):\n"
        "    async def fetch(self, request):\n        return Response('old')\n",
    }
    file.write_text(good[name])
    here.done("publish", name, "--slug", slug, "--execute")
    file.write_text(code)
    ran = here("publish", name, "--slug", slug, "--description", "new", "--execute")
    assert ran.code == 8
    assert words in ran.err
    assert "description" not in here.done("show", slug)["record"]
    if name.endswith(".js"):
        assert here.get(slug).text == "old"


def read_all(terminal: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # The other end is closed.
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()
