"""A request that is not as the SDK's types have it is refused, and named."""

import json
from typing import Any

import cloudflare
import httpx
import pytest

from .fitting import misfits
from .operations import OPERATIONS
from .stand_in import ACCOUNT, StandIn

NAMESPACES = f"/accounts/{ACCOUNT}/workers/dispatch/namespaces"
SCRIPT = f"{NAMESPACES}/clawr/scripts/api"
GOOD = {"main_module": "index.js"}
CODE = ("index.js", b"export default {};", "application/javascript+module")


def send(account: StandIn, method: str, path: str, **body: Any) -> httpx.Response:
    """Send a request that the SDK would not."""
    headers = {"authorization": f"Bearer {account.token}"}
    return httpx.request(method, account.url + path, headers=headers, **body)


def upload(account: StandIn, metadata: object, *files: tuple[str, bytes, str]) -> httpx.Response:
    """Upload a script with any metadata."""
    parts: list[Any] = [("metadata", (None, json.dumps(metadata)))]
    parts += [(file[0], file) for file in files or (CODE,)]
    return send(account, "PUT", SCRIPT, files=parts)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({**GOOD, "main": "index.js"}, "metadata.main is no field"),
        ({**GOOD, "tags": "one"}, "metadata.tags is no list"),
        ({**GOOD, "tags": [1]}, "metadata.tags[0] is 1"),
        ({**GOOD, "limits": {"cpu_ms": "50"}}, "metadata.limits.cpu_ms is '50'"),
        ({**GOOD, "usage_model": "free"}, "metadata.usage_model is 'free'"),
        (
            {**GOOD, "bindings": [{"name": "A", "type": "plain_text"}]},
            "metadata.bindings[0].text is missing",
        ),
        (
            {**GOOD, "bindings": [{"name": "K", "type": "kv_namespace", "id": "x"}]},
            "metadata.bindings[0].namespace_id is missing",
        ),
        ({**GOOD, "bindings": [{"name": "A", "type": "telepathy"}]}, "metadata.bindings[0]"),
        ([], "metadata is no object"),
    ],
)
def test_metadata_that_does_not_fit_is_refused_by_its_place(
    account: StandIn, client: cloudflare.Cloudflare, metadata: object, said: str
) -> None:
    client.workers_for_platforms.dispatch.namespaces.create(account_id=ACCOUNT, name="clawr")
    answer = upload(account, metadata)
    assert answer.status_code == 400
    assert said in answer.text
    assert said in "\n".join(account.record.wrong)
    assert account.namespaces.scripts("clawr").names() == []


def test_a_module_must_say_of_which_type_it_is(account: StandIn) -> None:
    assert (
        "is a part of the type text/html"
        in upload(account, GOOD, CODE, ("page.html", b"", "text/html")).text
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", f"/accounts/{ACCOUNT}/r2/buckets", {}, "no request that the stand-in knows"),
        ("POST", f"{NAMESPACES}/clawr", {}, "no request that the stand-in knows"),
        ("GET", f"{NAMESPACES}/clawr?verbose=1", {}, "has no verbose in its query"),
        (
            "GET",
            f"/accounts/{ACCOUNT}/storage/kv/namespaces?per_page=many",
            {},
            "has per_page=many",
        ),
        ("POST", NAMESPACES, {"json": {"title": "clawr"}}, "title is no field"),
        ("POST", NAMESPACES, {"json": ["clawr"]}, "is no JSON object"),
        ("POST", NAMESPACES, {"content": b"name=clawr"}, "is no JSON object"),
        ("GET", NAMESPACES, {"json": {"name": "clawr"}}, "is there, and should not be"),
        (
            "PUT",
            f"/accounts/{ACCOUNT}/workers/scripts/shop/schedules",
            {"json": [{"cron": "* * * * *", "zone": "x"}]},
            "[0].zone is no field",
        ),
    ],
)
def test_a_request_that_is_not_documented_is_refused(
    account: StandIn, method: str, path: str, body: dict[str, Any], said: str
) -> None:
    answer = send(account, method, path, **body)
    assert answer.status_code == 400
    assert said in answer.json()["errors"][0]["message"]


def test_every_exception_for_wrangler_has_its_reason() -> None:
    for operation in OPERATIONS:
        for place, reason in operation.beyond.items():
            assert reason, (operation.path, place)


def test_what_the_sdk_does_not_type_fits_anything() -> None:
    assert misfits({"any": ["thing"]}, object) == []
