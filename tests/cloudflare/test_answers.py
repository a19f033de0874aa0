"""Every response has Cloudflare's envelope."""

import httpx
import pytest

from dev.cloudflare_api.application import PREFIX, application
from dev.cloudflare_api.routes.dispatch import DispatchRoutes
from dev.cloudflare_api.scripts.upload import PARTS_MAX
from dev.cloudflare_api.serving import served

from .fake_account import ACCOUNT, TOKEN
from .memory import MemoryDispatchNamespaces

SCRIPTS = f"/accounts/{ACCOUNT}/workers/dispatch/namespaces/clawr/scripts"
FORM = {"content-type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def client() -> object:
    """A client for routes without the check of requests."""
    namespaces = MemoryDispatchNamespaces()
    namespaces.create("clawr")
    app = application(DispatchRoutes(namespaces).routes(), token=TOKEN, account_id=ACCOUNT)
    with (
        served(app) as address,
        httpx.Client(
            base_url=address + PREFIX, headers={"authorization": f"Bearer {TOKEN}"}
        ) as client,
    ):
        yield client


def form(*parts: str) -> bytes:
    """Return a multipart body with these parts."""
    return "".join(f"--b\r\n{part}\r\n" for part in parts).encode() + b"--b--\r\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nonsense", "Invalid multipart"),
        (b"--b\r\nbroken", "metadata is missing"),
        (b"--b\r\n\xff: \r\n", ""),
        (form('Content-Disposition: form-data; name="metadata"\r\n\r\n{'), "metadata is not JSON"),
        (form('Content-Disposition: form-data; name="metadata"\r\n\r\n[]'), "a JSON object"),
        (form('Content-Disposition: form-data; name="metadata"\r\n\r\n{}'), "main_module"),
        (
            form('Content-Disposition: form-data; name="metadata"\r\n\r\n{"main_module": "a.js"}'),
            "No such module",
        ),
        (
            form(
                *(
                    f'Content-Disposition: form-data; name="{number}"; filename="{number}"\r\n\r\n'
                    for number in range(PARTS_MAX + 1)
                )
            ),
            "Too many files",
        ),
    ],
)
def test_an_unreadable_upload_is_rejected_in_the_envelope(
    client: httpx.Client, content: bytes, said: str
) -> None:
    response = client.put(f"{SCRIPTS}/api", content=content, headers=FORM)
    document = response.json()
    assert response.status_code == 400
    assert (document["success"], document["result"]) == (False, None)
    assert said in document["errors"][0]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PATCH", f"{SCRIPTS}", 404),
        ("PUT", f"{SCRIPTS}/api/tags", 400),
        ("GET", f"{SCRIPTS}/api/../../../../../user", 404),
        ("GET", f"{SCRIPTS}?tags=nonsense", 400),
    ],
)
def test_an_unknown_resource_is_rejected_in_the_envelope(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["success"] is False
    assert response.json()["errors"][0]["message"]
