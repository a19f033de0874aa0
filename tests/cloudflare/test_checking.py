"""A request that does not match the SDK's types is rejected with the place of the mistake."""

import json
from typing import Any

import cloudflare
import httpx
import pytest

from .fake_account import ACCOUNT, FakeAccount
from .fitting import misfits
from .operations import OPERATIONS

NAMESPACES = f"/accounts/{ACCOUNT}/workers/dispatch/namespaces"
SCRIPT = f"{NAMESPACES}/clawr/scripts/api"
GOOD = {"main_module": "index.js"}
CODE = ("index.js", b"export default {};", "application/javascript+module")


def send(account: FakeAccount, method: str, path: str, **body: Any) -> httpx.Response:
    """Send a request that the SDK would not send."""
    headers = {"authorization": f"Bearer {account.token}"}
    return httpx.request(method, account.url + path, headers=headers, **body)


def upload(
    account: FakeAccount, metadata: object, *files: tuple[str, bytes, str]
) -> httpx.Response:
    """Upload a script with any metadata."""
    parts: list[Any] = [("metadata", (None, json.dumps(metadata)))]
    parts += [(file[0], file) for file in files or (CODE,)]
    return send(account, "PUT", SCRIPT, files=parts)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({**GOOD, "main": "index.js"}, "metadata.main is not a field"),
        ({**GOOD, "tags": "one"}, "metadata.tags is not a list"),
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
        ([], "metadata is not an object"),
    ],
)
def test_metadata_of_another_type_is_rejected_with_its_place(
    account: FakeAccount, client: cloudflare.Cloudflare, metadata: object, said: str
) -> None:
    client.workers_for_platforms.dispatch.namespaces.create(account_id=ACCOUNT, name="clawr")
    response = upload(account, metadata)
    assert response.status_code == 400
    assert said in response.text
    assert said in "\n".join(account.record.wrong)
    assert account.namespaces.scripts("clawr").names() == []


def test_a_module_must_have_a_known_type(account: FakeAccount) -> None:
    assert (
        "is a part of the type text/html"
        in upload(account, GOOD, CODE, ("page.html", b"", "text/html")).text
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", f"/accounts/{ACCOUNT}/r2/buckets", {}, "not a supported request"),
        ("POST", f"{NAMESPACES}/clawr", {}, "not a supported request"),
        ("GET", f"{NAMESPACES}/clawr?verbose=1", {}, "has an unknown query parameter verbose"),
        (
            "GET",
            f"/accounts/{ACCOUNT}/storage/kv/namespaces?per_page=many",
            {},
            "has per_page=many",
        ),
        ("POST", NAMESPACES, {"json": {"title": "clawr"}}, "title is not a field"),
        ("POST", NAMESPACES, {"json": ["clawr"]}, "is not a JSON object"),
        ("POST", NAMESPACES, {"content": b"name=clawr"}, "is not a JSON object"),
        ("GET", NAMESPACES, {"json": {"name": "clawr"}}, "must be empty"),
        (
            "PUT",
            f"/accounts/{ACCOUNT}/workers/scripts/shop/schedules",
            {"json": [{"cron": "* * * * *", "zone": "x"}]},
            "[0].zone is not a field",
        ),
    ],
)
def test_an_undocumented_request_is_rejected(
    account: FakeAccount, method: str, path: str, body: dict[str, Any], said: str
) -> None:
    response = send(account, method, path, **body)
    assert response.status_code == 400
    assert said in response.json()["errors"][0]["message"]


def test_every_exception_for_wrangler_has_a_reason() -> None:
    for operation in OPERATIONS:
        for place, reason in operation.beyond.items():
            assert reason, (operation.path, place)


def test_an_untyped_value_matches_anything() -> None:
    assert misfits({"any": ["thing"]}, object) == []
