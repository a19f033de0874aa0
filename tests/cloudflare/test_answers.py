"""Whatever is asked, the answer is Cloudflare's envelope."""

import httpx
import pytest

from dev.cloudflare_api.application import PREFIX, application
from dev.cloudflare_api.routes.dispatch import DispatchRoutes
from dev.cloudflare_api.scripts.upload import PARTS_MAX
from dev.cloudflare_api.serving import served

from .memory import MemoryDispatchNamespaces
from .stand_in import ACCOUNT, TOKEN

SCRIPTS = f"/accounts/{ACCOUNT}/workers/dispatch/namespaces/clawr/scripts"
FORM = {"content-type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def client() -> object:
    """A client of routes that nobody checks requests for."""
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
    """Return a multipart body of these parts."""
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
def test_an_upload_that_cannot_be_read_is_refused_in_the_envelope(
    client: httpx.Client, content: bytes, said: str
) -> None:
    answer = client.put(f"{SCRIPTS}/api", content=content, headers=FORM)
    document = answer.json()
    assert answer.status_code == 400
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
def test_what_is_not_there_is_refused_in_the_envelope(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["success"] is False
    assert answer.json()["errors"][0]["message"]
